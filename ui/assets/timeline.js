// The timeline: a row for each tag over the length of the video. Shade is confidence, hatching is what was not
// looked at, red is what failed. Spans come from the engine as they are; here they are only drawn, on canvases,
// since a long video has more spans than a page should have elements. It asks once a second at most.
(() => {
  const haven = window.haven;
  const EVERY_MS = 1000;
  const FAINT = 0.2; // of the shade, for a bar that is not sure at all; what a person added is drawn full
  const UNKNOWN = 0.5; // how sure a bar is drawn where the model only said yes
  let job = "";
  let line = null; // what the server said last: { duration, rows, looked, settings, ... }
  let seen = ""; // frames, status and revision of the job, as `line` knows it
  let asking = false;
  let asked = 0;
  let took = 0;
  let playhead = 0;

  haven.timeline = { reset, follow, show, length: () => (line ? line.duration : 0) };
  haven.playhead = () => playhead;
  haven.shade = (sure, byPerson) => FAINT + (1 - FAINT) * (sure ?? (byPerson ? 1 : UNKNOWN)) ** 2;
  const along = []; // what lies along the video: each has `place` for a new playhead, and `draw`
  haven.alongVideo = (one) => along.push(one);
  haven.alongVideo({ place, draw });
  haven.onPlayhead = (seconds) => {
    playhead = seconds;
    for (const one of along) one.place();
  };
  const drawAll = () => requestAnimationFrame(() => along.forEach((one) => one.draw()));
  const sized = new ResizeObserver(drawAll); // also from nothing, where it was drawn while another tab was in sight
  new MutationObserver(drawAll).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ["data-look"],
  });

  function root() {
    return document.querySelector("[data-timeline]");
  }

  function reset(identity) {
    job = identity;
    line = null;
    seen = "";
    asked = 0;
    root()?.replaceChildren();
    haven.spans?.reset(identity);
  }

  async function follow(view) {
    if (!root() || !view || !view.frames || asking) return;
    const state = `${view.frames} ${view.status} ${view.spans}`;
    // A long video takes the server a while: it is left alone for ten times as long.
    if (state === seen || (view.moving && Date.now() - asked < Math.max(EVERY_MS, 10 * took))) return;
    asking = true;
    asked = Date.now();
    try {
      const found = await haven.fetched(`/follow/timeline?${new URLSearchParams({ job: view.job_id })}`);
      took = Date.now() - asked;
      if (!found || found.job !== job) return; // it was deleted, or another one is shown
      seen = found.revision === view.spans ? state : "";
      show(found);
    } finally {
      asking = false;
    }
  }

  function show(found) {
    if (found.job !== job || !root()) return;
    const built = line && line.duration === found.duration && line.rows.length === found.rows.length;
    line = found;
    if (!built) build();
    draw();
    haven.spans?.show(found);
  }

  function build() {
    const named = line.rows.length ? line.rows : [{ tag: "", total: "", bars: [] }];
    root().replaceChildren(...named.map((one, at) => row(one, at)), axis());
    sized.observe(root()); // once, however often it is said
    root().onpointerdown = (event) => {
      const track = event.target.closest("canvas");
      if (!track) return;
      const box = track.getBoundingClientRect();
      haven.seek(((event.clientX - box.left) / box.width) * line.duration);
    };
  }

  function row({ tag }, at) {
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
    tracks.forEach((track, at) => drawTrack(track, line.rows[at]));
    place();
  }

  function drawTrack(track, row) {
    const style = getComputedStyle(track);
    const width = (track.width = Math.max(1, Math.round(track.clientWidth * devicePixelRatio)));
    const height = (track.height = Math.max(1, Math.round(track.clientHeight * devicePixelRatio)));
    const paint = track.getContext("2d");
    const stretch = (start, end, top, room) => {
      const left = Math.floor((start / line.duration) * width);
      paint.fillRect(left, top, Math.max(1, Math.ceil((end / line.duration) * width) - left), room);
    };
    for (const [start, end, answered] of row?.looked ?? line.looked) {
      paint.fillStyle = style.getPropertyValue(answered ? (row ? "--haven-field" : "--tag") : "--haven-bad");
      stretch(start, end, 0, height);
    }
    for (const [start, end, sure, corrected] of row ? row.bars : []) {
      paint.globalAlpha = haven.shade(sure, corrected);
      paint.fillStyle = style.getPropertyValue("--tag");
      stretch(start, end, 0, height);
      paint.globalAlpha = 1;
      paint.fillStyle = style.getPropertyValue("--haven-text");
      if (corrected) stretch(start, end, height - 2 * devicePixelRatio, 2 * devicePixelRatio);
    }
    const said = row ? row.total : "";
    track.nextElementSibling.textContent = said;
    const bars = row ? `: ${said}, ${row.bars.length} spans` : "";
    track.setAttribute("aria-label", `${track.previousElementSibling.textContent}${bars}`);
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
