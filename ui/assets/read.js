// Spans of another program's file, drawn under the timeline: outlined, so that nobody takes them for the model's.
// They belong to the video that is on the stage, and go when another one comes.
(() => {
  const haven = window.haven;
  const WASH = 0.22; // of the colour within an outline
  let chooser = null;
  let root = null;
  let picture = null; // what the server said of the file
  let file = 0; // counts the files that were chosen: the last one is shown

  haven.readSpans = (element) => {
    chooser = element;
    const input = find(chooser, "[data-read]");
    input.addEventListener("change", () => {
      if (input.files.length) read(input.files[0]);
      input.value = "";
    });
  };

  haven.mountRead = (element) => {
    root = element;
    root.addEventListener("click", (event) => {
      const there = event.target.closest("[data-seek], tr[data-start]");
      if (event.target.closest("[data-put-away]")) putAway();
      else if (there) haven.seek(Number(there.dataset.seek || there.dataset.start));
    });
    find(root, "[data-read-lines]").addEventListener("pointerdown", (event) => {
      const track = event.target.closest("canvas");
      if (!track) return;
      const box = track.getBoundingClientRect();
      haven.seek(((event.clientX - box.left) / box.width) * picture.duration);
    });
  };

  haven.putAwaySpans = putAway;

  haven.alongVideo({ place, draw });

  function find(element, selector) {
    return element.querySelector(selector);
  }

  async function read(chosen) {
    if (document.documentElement.dataset.stage !== "full") {
      return say("Choose the video first that the file is about.", true);
    }
    const asked = ++file; // what was asked before is answered to nobody
    const { most, larger } = find(chooser, "[data-read]").dataset;
    if (chosen.size > Number(most)) return say(`${chosen.name} ${larger}`, true);
    say(`Reading ${chosen.name}…`);
    const { path, said } = await haven.upload(chosen);
    const body = { path, name: chosen.name, duration: haven.videoLength() };
    const answer = path ? await haven.posted("/spans/read", body) : { said, failed: true };
    if (asked !== file) return; // another one was chosen, or another video
    say(answer.said, answer.failed);
    if (answer.failed) return;
    picture = answer;
    show();
  }

  function show() {
    root.hidden = false;
    haven.morph(find(root, "[data-read-head]"), picture.head);
    haven.morph(find(root, "[data-read-notes]"), picture.notes);
    haven.morph(find(root, "[data-read-table]"), picture.table);
    const rows = element("div", "compare-rows");
    rows.append(...picture.rows.map(row));
    find(root, "[data-read-lines]").replaceChildren(rows);
    draw();
    root.scrollIntoView({ block: "nearest" });
  }

  function putAway() {
    file += 1;
    picture = null;
    if (root) root.hidden = true;
    if (chooser) say("");
  }

  function row({ tag, category, total, said }, at) {
    const made = element("div", "line-row");
    const name = element("span", "line-name", tag);
    name.title = category ? `${category}: ${tag}` : tag;
    const track = document.createElement("canvas");
    track.className = `line-track read-track tag-${at % 8}`;
    track.setAttribute("role", "img");
    track.setAttribute("aria-label", said);
    made.append(name, track, element("span", "line-total", total));
    return made;
  }

  function draw() {
    if (!picture) return;
    root.querySelectorAll("canvas").forEach((track, at) => drawTrack(track, picture.rows[at].bars));
    place();
  }

  function drawTrack(track, bars) {
    const scale = devicePixelRatio;
    const width = (track.width = Math.max(1, Math.round(track.clientWidth * scale)));
    const height = (track.height = Math.max(1, Math.round(track.clientHeight * scale)));
    const paint = track.getContext("2d");
    const line = Math.max(1, Math.round(1.5 * scale));
    paint.strokeStyle = paint.fillStyle = getComputedStyle(track).getPropertyValue("--tag");
    paint.lineWidth = line;
    for (const [start, end] of bars) {
      const left = Math.floor((start / picture.duration) * width);
      const room = Math.max(line, Math.ceil((Math.min(end, picture.duration) / picture.duration) * width) - left);
      paint.globalAlpha = WASH;
      paint.fillRect(left, 0, room, height);
      paint.globalAlpha = 1;
      if (room <= 2 * line) paint.fillRect(left, 0, room, height);
      else paint.strokeRect(left + line / 2, line / 2, room - line, height - line);
    }
  }

  function place() {
    if (!picture) return;
    const share = Math.min(1, haven.playhead() / picture.duration);
    find(root, ".compare-rows").style.setProperty("--playhead", share);
  }

  function say(text, failed = false) {
    const line = find(chooser, "[data-read-said]");
    line.hidden = !text;
    line.textContent = text;
    line.classList.toggle("bad", failed);
  }

  function element(name, kind = "", text = "") {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text) made.textContent = text;
    return made;
  }
})();
