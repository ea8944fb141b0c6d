// Follows the engine: asks what changed, and touches only what differs. What things look like is decided in
// Python; this file knows no words and no layout.
(() => {
  const haven = window.haven;
  const parts = new Map(); // name -> mark of what stands there
  const triggers = new Map(); // name -> tells the page's own handlers
  let job = "";
  let drawn = 0; // frames of the job that are among the cards
  let redraws = 0; // times that the cards were to be drawn anew
  let room = 60; // cards that are kept
  let generation = null;
  let timer = 0;
  let asking = false;
  let hurried = false; // something was done meanwhile: ask again at once
  let list = null;
  let older = null;
  let some = null; // says that there are gaps
  let gaps = false; // more frames came than were sent, of a job that is moving
  let lost = false;
  let joined = ""; // the job that an empty page has joined by itself
  let ended = ""; // the job that does not move any more, and how it stands
  let pressed = ""; // what the last button does that was pressed

  haven.mount = (name, element, trigger) => {
    triggers.set(name, trigger);
    element.addEventListener("click", (event) => onAct(event, name));
    parts.clear();
    soon();
  };

  haven.results = (element) => {
    list = element.querySelector("[data-cards]");
    older = element.querySelector("[data-older]");
    some = element.querySelector("[data-some]");
    older.addEventListener("click", showOlder);
    list.addEventListener("click", (event) => {
      const card = event.target.closest("[data-seek]");
      if (card) haven.seek(Number(card.dataset.seek));
    });
    list.addEventListener("load", (event) => again(event.target), true);
    parts.clear();
    soon();
  };

  haven.vocabulary = (element) => {
    element.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-tag]");
      if (chip) addTag(chip.dataset.tag);
    });
  };

  haven.followJob = (identity) => {
    if (identity !== job) {
      job = identity;
      drawn = 0;
      if (list) clearCards();
      haven.timeline && haven.timeline.reset(identity);
    }
    soon();
  };

  // The job whose answers are on the page; empty where there are none.
  haven.shownJob = () => (job && drawn ? job : "");

  // The tags that hold are other ones now.
  haven.redrawCards = () => {
    redraws += 1;
    drawn = 0;
    soon();
  };

  haven.say = (text) => {
    const place = document.querySelector("#haven-video-said");
    const line = document.createElement("p");
    line.className = "notice error";
    line.setAttribute("role", "alert");
    line.textContent = text;
    place.querySelector(".prose, div")?.replaceChildren(line);
  };

  // An answer to a question about something else, or about cards that are to be drawn anew, is not drawn.
  function shown() {
    return `${job} ${redraws}`;
  }

  async function ask() {
    if (asking) return;
    asking = true;
    hurried = false;
    let wait = 1000;
    try {
      const asked = shown();
      const answer = await fetched(`/follow?${question()}`);
      connected(Boolean(answer));
      if (answer) wait = asked === shown() ? draw(answer) : 0;
    } finally {
      asking = false;
      clearTimeout(timer);
      timer = setTimeout(ask, hurried ? 20 : document.hidden ? Math.max(wait, 1000) : wait);
    }
  }

  // The answer, or null while Haven does not answer: it was stopped, or is being started again.
  async function fetched(address) {
    try {
      const answer = await fetch(address, { cache: "no-store" });
      return answer.ok ? await answer.json() : null;
    } catch (error) {
      if (error instanceof TypeError) return null;
      throw error;
    }
  }

  function question() {
    const have = [...parts].map(([name, mark]) => `${name}.${mark}`).join(",");
    const history = document.querySelector("#haven-jobs");
    const jobs = Boolean(history && history.offsetParent);
    return new URLSearchParams({ job, frames: drawn, have, jobs });
  }

  function draw(answer) {
    for (const [name, [mark, html]] of Object.entries(answer.parts)) {
      const place = document.querySelector(`[data-part="${name}"]`);
      if (!place) continue;
      morphInto(place, html);
      parts.set(name, mark);
    }
    if (list && answer.job) drawCards(answer);
    if (job && !answer.job) haven.followJob(""); // it was deleted, perhaps in another window
    document.title = answer.title;
    document.documentElement.dataset.loading = answer.loading ? "yes" : "no";
    document.documentElement.dataset.job = answer.job ? answer.job.status : "none";
    if (generation !== null && generation !== answer.generation) triggers.get("chip")?.({});
    generation = answer.generation;
    noteEnd(answer.job);
    haven.timeline && haven.timeline.follow(answer.job);
    join(answer.active);
    return answer.every_ms;
  }

  // How long an analysis took is known once it has ended: what the next one would take is said by it.
  function noteEnd(shown) {
    const now = shown && !shown.moving ? `${shown.job_id} ${shown.status}` : "";
    if (now && now !== ended) triggers.get("plan")?.({});
    ended = now;
  }

  // An empty page follows what a script or another window began; once, so that nobody is dragged back to it.
  function join(active) {
    if (!active || active === joined || document.documentElement.dataset.stage !== "empty") return;
    joined = active;
    triggers.get("run")?.({ act: "join", job: active });
  }

  function drawCards(answer) {
    const { from, frames, moving } = answer.job;
    const fresh = document.createElement("template");
    // More came than were sent. While they come the list has gaps; then it is drawn anew, whole down to its end.
    if (drawn && from > drawn && moving) gaps = true;
    else if (!drawn || from > drawn) clearCards();
    for (const html of answer.cards.slice().reverse()) {
      fresh.innerHTML = html;
      const card = fresh.content.firstElementChild;
      const before = document.getElementById(card.id);
      if (before) before.replaceWith(card);
      else list.prepend(card);
    }
    drawn = Math.max(drawn, frames);
    while (list.children.length > room) list.lastElementChild.remove();
    if (gaps && !moving) {
      drawn = 0;
      soon();
    }
    some.hidden = !gaps;
    older.hidden = gaps || lowest() === 0;
  }

  function clearCards() {
    list.replaceChildren();
    room = 60;
    gaps = false;
  }

  // Index of the last card, 0 where there is none.
  function lowest() {
    return list.lastElementChild ? Number(list.lastElementChild.id.split("-")[1]) : 0;
  }

  async function showOlder() {
    const below = lowest();
    const asked = job;
    room = Math.max(room, list.children.length) + 60; // before it is asked, so that none is dropped meanwhile
    const answer = await fetched(`/follow/older?${new URLSearchParams({ job, below })}`);
    if (!answer || asked !== job || below !== lowest()) return; // something else is shown by now
    const fresh = document.createElement("template");
    fresh.innerHTML = answer.cards.join("");
    list.append(fresh.content);
    older.hidden = lowest() === 0;
  }

  // A thumbnail is written beside the answer, and may come a moment later; until then it is one clear pixel. Two
  // in a row say that none will come.
  function again(image) {
    if (image.tagName !== "IMG" || image.naturalWidth * image.naturalHeight > 2) return;
    const tries = Number(image.dataset.tries || 0);
    if (image.naturalWidth === 2 || tries >= 6) return noPicture(image);
    image.dataset.tries = tries + 1;
    const source = image.src.split("?")[0];
    setTimeout(() => (image.src = `${source}?again=${tries + 1}`), 200 * 2 ** tries);
  }

  // As `cards` draws a frame of which no picture is known.
  function noPicture(image) {
    const place = document.createElement("span");
    place.className = "thumb none";
    place.setAttribute("aria-hidden", "true");
    place.textContent = "no picture";
    image.replaceWith(place);
  }

  function onAct(event, name) {
    const button = event.target.closest("[data-act]");
    if (!button || button.disabled) return;
    const meant = `${name} ${actOf(button)}`;
    if (event.detail > 1 && meant === pressed) return; // the rest of a double click: it says nothing more
    pressed = meant;
    if (button.dataset.sure && button.dataset.asked !== "yes") {
      button.dataset.asked = "yes";
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.sure;
      button.addEventListener("blur", () => unsure(button), { once: true });
      button.focus();
      return;
    }
    unsure(button); // it was meant, and asks anew the next time
    if (button.dataset.act === "open" || (button.dataset.act === "resume" && name === "jobs")) showTab("Video");
    triggers.get(name)?.({ act: button.dataset.act, job: button.dataset.job });
    for (const delay of [60, 200, 500]) setTimeout(soon, delay);
  }

  function unsure(button) {
    delete button.dataset.asked;
    if (button.dataset.label) button.textContent = button.dataset.label;
  }

  function showTab(name) {
    for (const tab of document.querySelectorAll('#haven-tabs [role="tab"]')) {
      if (tab.textContent.trim() === name) tab.click();
    }
  }

  function addTag(tag) {
    const box = document.querySelector("#haven-tags textarea, #haven-tags input");
    const there = box.value.split(",").map((part) => part.trim()).filter(Boolean);
    const at = there.indexOf(tag);
    if (at >= 0) there.splice(at, 1);
    else there.push(tag);
    box.value = there.join(", ");
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function connected(yes) {
    if (yes === !lost) return;
    lost = !yes;
    document.documentElement.dataset.lost = lost ? "yes" : "no";
    if (yes) parts.clear();
  }

  function morphInto(place, html) {
    const fresh = document.createElement("template");
    const stood = standing(place);
    fresh.innerHTML = html;
    morphChildren(place, fresh.content);
    if (stood && !place.contains(document.activeElement)) standAgain(place, stood);
  }

  // In which row of a list the focus is, if it is in `place`.
  function standing(place) {
    const row = place.contains(document.activeElement) ? document.activeElement.closest("li") : null;
    return row && { name: row.id, list: row.parentElement, at: [...row.parentElement.children].indexOf(row) };
  }

  // Who pressed a button by key that is gone now is still in its row, or in the one that has taken its place.
  function standAgain(place, { name, list, at }) {
    const rows = list.isConnected ? [...list.children] : [];
    const row = rows.find((one) => name && one.id === name) || rows[Math.min(at, rows.length - 1)];
    const button = row?.querySelector("button:not(:disabled)");
    if (!button) place.tabIndex = -1;
    (button || place).focus();
  }

  function morphChildren(old, fresh) {
    const there = [...old.childNodes];
    const wanted = [...fresh.childNodes];
    wanted.forEach((node, at) => (at < there.length ? morph(there[at], node) : old.append(node)));
    there.slice(wanted.length).forEach((node) => node.remove());
  }

  function morph(old, fresh) {
    if (old.nodeName !== fresh.nodeName || old.id !== fresh.id || actOf(old) !== actOf(fresh)) old.replaceWith(fresh);
    else if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
    } else if (!held(old)) {
      morphAttributes(old, fresh);
      morphChildren(old, fresh);
    }
  }

  // A person is at it: a button that asks whether it is meant, a name that is being typed.
  function held(node) {
    return Boolean(node.dataset) && (node.dataset.asked === "yes" || node.dataset.held === "yes");
  }

  function actOf(node) {
    return node.dataset ? `${node.dataset.act || ""} ${node.dataset.job || ""}` : "";
  }

  // A <details> that a person opened stays open.
  function morphAttributes(old, fresh) {
    for (const { name } of [...old.attributes]) {
      if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }

  function soon() {
    hurried = true;
    clearTimeout(timer);
    timer = setTimeout(ask, 20);
  }

  haven.soon = soon;
  haven.morph = morphInto;
  haven.fetched = fetched;
  haven.showTab = showTab;
  haven.followed = () => job;
  document.addEventListener("visibilitychange", soon);
  document.addEventListener("click", () => setTimeout(soon, 150));
})();
