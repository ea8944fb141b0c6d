// The timeline: a row for each tag over the length of the video. Shade is confidence, hatching is what was not
// looked at, red is what failed. It asks for new samples once a second at most, and draws on canvases, since a
// long video has more samples than a page should have elements.
(() => {
  const haven = window.haven;
  const EVERY_MS = 1000;
  const YES = 0.5; // probability from which a tag is said to hold
  let job = "";
  let line = null; // { duration, tags, samples: [[seconds, answered, [probability | null]]] }
  let have = 0;
  let asking = false;
  let asked = 0;
  let playhead = 0;

  haven.timeline = { reset, follow };
  haven.onPlayhead = (seconds) => {
    playhead = seconds;
    place();
  };
  addEventListener("resize", () => requestAnimationFrame(draw));
  new MutationObserver(() => requestAnimationFrame(draw)).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-look"],
  });

  function root() {
    return document.querySelector("[data-timeline]");
  }

  function reset(identity) {
    job = identity;
    line = null;
    have = 0;
    asked = 0;
    root()?.replaceChildren();
  }

  async function follow(view) {
    if (!root() || !view || !view.frames || asking) return;
    const moving = view.status === "running" || view.status === "cancelling";
    if (view.frames <= have || (moving && Date.now() - asked < EVERY_MS)) return;
    asking = true;
    asked = Date.now();
    try {
      await take(view.job_id);
    } finally {
      asking = false;
    }
  }

  async function take(identity) {
    const answer = await fetch(`/follow/timeline?${new URLSearchParams({ job: identity, have })}`);
    if (!answer.ok || identity !== job) return;
    const found = await answer.json();
    if (!line) build(found);
    line.samples.push(...found.samples);
    have += found.samples.length;
    draw();
  }

  function build(found) {
    line = { ...found, samples: [] };
    const names = line.tags.length ? line.tags : [""];
    const rows = names.map((tag, at) => row(tag, at));
    root().replaceChildren(...rows, axis());
    const lines = root();
    lines.onpointerdown = (event) => {
      const track = event.target.closest("canvas");
      if (!track) return;
      const box = track.getBoundingClientRect();
      haven.seek(((event.clientX - box.left) / box.width) * line.duration);
    };
  }

  function row(tag, at) {
    const made = element("div", "line-row");
    const name = element("span", "line-name", tag || "looked at");
    name.title = tag;
    const track = document.createElement("canvas");
    track.className = `line-track tag-${at % 8}`;
    track.setAttribute("role", "img");
    made.append(name, track, element("span", "line-total"));
    return made;
  }

  function axis() {
    const made = element("div", "line-axis");
    const ticks = element("span", "line-ticks");
    for (let part = 0; part <= 4; part += 1) ticks.append(element("span", "", clock((line.duration * part) / 4)));
    const head = element("input", "line-head");
    Object.assign(head, { type: "range", min: 0, max: line.duration, step: "any", value: playhead });
    head.setAttribute("aria-label", "Position in the video, in seconds");
    head.addEventListener("input", () => haven.seek(Number(head.value)));
    const bed = element("span", "line-bed");
    bed.append(head, ticks);
    made.append(element("span"), bed, element("span"));
    return made;
  }

  function draw() {
    if (!line || !root()) return;
    const tracks = [...root().querySelectorAll("canvas")];
    tracks.forEach((track, at) => drawTrack(track, at));
    place();
  }

  function drawTrack(track, at) {
    const style = getComputedStyle(track);
    const width = (track.width = Math.max(1, Math.round(track.clientWidth * devicePixelRatio)));
    const height = (track.height = Math.max(1, Math.round(track.clientHeight * devicePixelRatio)));
    const paint = track.getContext("2d");
    const colour = style.getPropertyValue("--tag");
    let total = 0;
    line.samples.forEach(([start, answered, sure], index) => {
      const end = endOf(index);
      const left = Math.floor((start / line.duration) * width);
      const room = Math.max(1, Math.ceil((end / line.duration) * width) - left);
      const yes = line.tags.length ? (sure[at] ?? 0) : 1;
      paint.globalAlpha = 1;
      paint.fillStyle = style.getPropertyValue(answered ? "--haven-field" : "--haven-bad");
      paint.fillRect(left, 0, room, height);
      if (!answered || yes < YES) return;
      paint.globalAlpha = 0.35 + 0.65 * ((yes - YES) / (1 - YES));
      paint.fillStyle = colour;
      paint.fillRect(left, 0, room, height);
      total += end - start;
    });
    const said = `${total.toFixed(1)} s`;
    track.nextElementSibling.textContent = said;
    track.setAttribute("aria-label", `${track.previousElementSibling.textContent}: ${said}`);
  }

  // A sample holds until the next one; the last one as long as the one before it.
  function endOf(index) {
    const samples = line.samples;
    if (index + 1 < samples.length) return samples[index + 1][0];
    const step = index ? samples[index][0] - samples[index - 1][0] : line.interval;
    return Math.min(samples[index][0] + step, line.duration);
  }

  function place() {
    if (!line || !root()) return;
    const share = Math.min(1, playhead / line.duration);
    root().style.setProperty("--playhead", share);
    const head = root().querySelector(".line-head");
    if (head && document.activeElement !== head) head.value = playhead;
  }

  function element(name, kind = "", text = "") {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text) made.textContent = text;
    return made;
  }

  function clock(seconds) {
    const whole = Math.round(seconds);
    const hours = Math.floor(whole / 3600);
    const rest = `${String(Math.floor(whole / 60) % 60)}:${String(whole % 60).padStart(2, "0")}`;
    return hours ? `${hours}:${rest.padStart(5, "0")}` : rest;
  }
})();
