// Two analyses of one video, side by side: A is the one that is open, B another one that a person picks. What is
// drawn comes from the engine whole, and is asked for anew whenever the spans of the open one moved; one question
// is under way at a time. What seeks in its lists is a button like those of the table of spans.
(() => {
  const haven = window.haven;
  const BAND = 9; // pixels of a bar
  const LINE = 3; // of the line between A and B
  const EVERY_MS = 2000; // between two questions while B is being made, and between two lists of what there is
  let root = null;
  let job = "";
  let other = ""; // empty: nothing is compared
  let picture = null; // what the server said last
  let asking = false;
  let again = false; // something moved meanwhile
  let timer = 0;
  let listed = 0; // when the other analyses were asked for
  let wanted = null; // { job, other }: what is to be compared once that job is open
  let sought = false; // a person asked for it elsewhere: it is brought into sight when it is there

  haven.comparing = { mount, reset, follow, against };
  haven.alongVideo({ place, draw });

  function mount(element) {
    root = element;
    find("[data-other]").addEventListener("change", (event) => pick(event.target.value));
    find("[data-other]").addEventListener("focus", list); // others may have been made since
    find("[data-leave-comparison]").addEventListener("click", leave);
    find("[data-compare-lines]").addEventListener("pointerdown", (event) => {
      const track = event.target.closest("canvas");
      if (!track) return;
      const box = track.getBoundingClientRect();
      haven.seek(((event.clientX - box.left) / box.width) * picture.duration);
    });
  }

  function find(selector) {
    return root.querySelector(selector);
  }

  function reset(identity) {
    job = identity;
    listed = 0;
    if (!root) return;
    pick("");
    root.hidden = true;
    find("[data-other]").replaceChildren();
  }

  // Hold an analysis that is open, or is about to be, against another one.
  function against(first, second) {
    wanted = { job: first, other: second };
    if (first === job) take();
  }

  function take() {
    sought = true;
    root.hidden = false;
    pick(wanted.other);
    wanted = null;
    list();
  }

  // The spans of the open analysis were drawn anew.
  function follow(found) {
    if (found.job !== job) return;
    if (wanted && wanted.job === job) return take();
    if (Date.now() - listed > EVERY_MS) list();
    if (other) ask();
  }

  async function list() {
    const asked = job;
    listed = Date.now();
    const found = await haven.fetched(`/follow/others?${new URLSearchParams({ job })}`);
    if (!found || asked !== job) return;
    const select = find("[data-other]");
    const wanted = [["", "no other analysis"], ...found.others];
    if (JSON.stringify([...select.options].map((one) => [one.value, one.text])) !== JSON.stringify(wanted)) {
      select.replaceChildren(...wanted.map(([value, text]) => new Option(text, value)));
      select.value = other;
    }
    root.hidden = !found.others.length && !other;
  }

  function leave() {
    pick("");
    find("[data-other]").focus();
  }

  function pick(identity) {
    other = identity;
    clearTimeout(timer);
    find("[data-other]").value = other;
    find("[data-leave-comparison]").hidden = !other;
    trouble("");
    if (other) return ask();
    picture = null;
    find("[data-compare-view]").hidden = true;
    find("[data-compare-lines]").replaceChildren();
  }

  async function ask() {
    if (asking) return (again = true);
    asking = true;
    clearTimeout(timer);
    try {
      do {
        again = false;
        const asked = { job, other };
        const said = other && (await haven.fetched(`/follow/comparison?${new URLSearchParams(asked)}`));
        if (said && asked.job === job && asked.other === other) show(said);
        else if (asked.other !== other) again = Boolean(other);
        else if (!said && picture?.moving) later(); // Haven did not answer; it may, the next time
      } while (again);
    } finally {
      asking = false;
    }
  }

  function show(said) {
    trouble(said.trouble || "");
    find("[data-compare-view]").hidden = Boolean(said.trouble);
    if (!said.trouble) redraw(said);
    if (sought) root.scrollIntoView({ block: "start" });
    sought = false;
    if (said.moving) later();
  }

  function redraw(said) {
    const built = picture && JSON.stringify(picture.rows.map(name)) === JSON.stringify(said.rows.map(name));
    const axis = picture && picture.duration === said.duration;
    picture = said;
    if (!built || !axis) build();
    haven.morph(find("[data-compare-head]"), said.head);
    haven.morph(find("[data-compare-text]"), said.body);
    draw();
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(ask, EVERY_MS);
  }

  function name({ tag }) {
    return tag;
  }

  function build() {
    const rows = element("div", "compare-rows");
    rows.append(...picture.rows.map(row));
    find("[data-compare-lines]").replaceChildren(rows);
    find("[data-compare-lines]").hidden = !picture.rows.length;
  }

  function row({ tag }, at) {
    const made = element("div", "line-row compare-row");
    const label = element("span", "compare-name");
    const text = element("span", "line-name", tag);
    text.title = tag;
    const letters = element("span", "compare-letters");
    letters.setAttribute("aria-hidden", "true");
    letters.append(element("span", "", "A"), element("span", "", "B"));
    label.append(text, letters);
    const track = document.createElement("canvas");
    track.className = `line-track compare-track tag-${at % 8}`;
    track.setAttribute("role", "img");
    made.append(label, track, element("span", "line-total"));
    return made;
  }

  function draw() {
    if (!picture || !root) return;
    root.querySelectorAll("canvas").forEach((track, at) => drawTrack(track, picture.rows[at]));
    place();
  }

  function drawTrack(track, row) {
    const style = getComputedStyle(track);
    const scale = devicePixelRatio;
    const width = (track.width = Math.max(1, Math.round(track.clientWidth * scale)));
    track.height = Math.round(track.clientHeight * scale);
    const paint = track.getContext("2d");
    const colour = (property) => (paint.fillStyle = style.getPropertyValue(property));
    const stretch = (start, end, top, room) => {
      const left = Math.floor((start / picture.duration) * width);
      const right = Math.ceil((end / picture.duration) * width);
      paint.fillRect(left, top * scale, Math.max(1, right - left), room * scale);
    };
    const between = BAND + 1; // where the line is; one pixel of the page on both sides of it
    colour("--haven-page");
    paint.fillRect(0, BAND * scale, width, (LINE + 2) * scale);
    [0, BAND + LINE + 2].forEach((top, side) => {
      const looked = row.looked?.[side] ?? picture.looked[side];
      for (const [start, end, answered] of row.asked[side] ? looked : []) {
        colour(answered ? "--haven-field" : "--haven-bad");
        stretch(start, end, top, BAND);
      }
      for (const [start, end, sure, corrected] of row.bars[side]) {
        paint.globalAlpha = haven.shade(sure, corrected);
        colour("--tag");
        stretch(start, end, top, BAND);
        paint.globalAlpha = 1;
        colour("--haven-text");
        if (corrected) stretch(start, end, top + BAND - 2, 2);
      }
    });
    colour("--haven-text");
    for (const [start, end] of row.marks) stretch(start, end, between, LINE);
    track.setAttribute("aria-label", row.said);
    track.nextElementSibling.textContent = row.agreement;
  }

  function place() {
    if (!picture) return;
    find(".compare-rows").style.setProperty("--playhead", Math.min(1, haven.playhead() / picture.duration));
  }

  function trouble(text) {
    const line = find("[data-compare-trouble]");
    line.textContent = text;
    line.hidden = !text;
  }

  function element(name, kind = "", text = "") {
    const made = document.createElement(name);
    if (kind) made.className = kind;
    if (text) made.textContent = text;
    return made;
  }
})();
