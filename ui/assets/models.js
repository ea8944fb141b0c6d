// The Models tab: asks what is here and how far downloads are, while it is in sight. What rows look like is
// decided in Python; their buttons go the way of those of the Jobs list.
(() => {
  const haven = window.haven;
  const marks = new Map(); // part -> mark of what stands there
  let root = null;
  let tell = null;
  let arrived = null; // the downloads that are complete, as one text
  let pulled = ""; // the name that was sent, until its row is there
  let timer = 0;
  let asking = false;
  let again = false;

  haven.models = (element, trigger) => {
    root = element.querySelector(".models");
    tell = trigger;
    marks.clear();
    haven.mount("models", element, trigger);
    root.addEventListener("submit", onPull);
    root.addEventListener("click", onLoad);
    haven.servers(root, tell, soon);
    new IntersectionObserver(soon).observe(root);
    soon();
  };

  function onPull(event) {
    event.preventDefault();
    const box = event.target.querySelector("input");
    const name = box.value.trim();
    if (!name) return box.focus();
    pulled = name;
    tell({ act: "pull", job: name });
    for (const delay of [60, 200, 500]) setTimeout(soon, delay);
  }

  // On a phone the bar, which shows how far the load is, may be out of sight.
  function onLoad(event) {
    if (event.target.closest('[data-act="load"]')) document.querySelector("#haven-bar").scrollIntoView({ block: "nearest" });
  }

  async function look() {
    if (asking) {
      again = true;
      return;
    }
    clearTimeout(timer);
    if (!root || !root.isConnected || !root.offsetParent || document.hidden) return;
    asking = true;
    again = false;
    let wait = 1000;
    try {
      const have = [...marks].map(([name, mark]) => `${name}.${mark}`).join(",");
      const answer = await haven.fetched(`/follow/models?${new URLSearchParams({ have })}`);
      if (answer) wait = draw(answer);
      else marks.clear();
    } finally {
      asking = false;
      clearTimeout(timer);
      timer = setTimeout(look, again ? 20 : wait);
    }
  }

  function draw(answer) {
    const row = root.contains(document.activeElement) ? document.activeElement.closest("li") : null;
    for (const [name, [mark, html]] of Object.entries(answer.parts)) {
      haven.morph(root.querySelector(`[data-part="${name}"]`), html);
      marks.set(name, mark);
    }
    keepPlace(row);
    emptied();
    haven.servers.drawn();
    const complete = answer.arrived.join(" ");
    if (arrived !== null && complete !== arrived) tell({ act: "arrived", job: "" });
    arrived = complete;
    return answer.every_ms;
  }

  // Who pressed a button by key is still in its row when another button has taken its place.
  function keepPlace(row) {
    if (!row || !row.isConnected || row.contains(document.activeElement)) return;
    row.querySelector("button:not(:disabled)")?.focus({ preventScroll: true });
  }

  // A name that is being pulled need not stand in the field any more.
  function emptied() {
    if (!pulled || !root.querySelector(`[data-pulls="${CSS.escape(pulled)}"]`)) return;
    const box = root.querySelector("[data-pull] input");
    if (box && box.value.trim() === pulled) box.value = "";
    pulled = "";
  }

  function soon() {
    clearTimeout(timer);
    again = true;
    timer = setTimeout(look, 20);
  }

  document.addEventListener("visibilitychange", soon);
  document.addEventListener("click", () => setTimeout(soon, 150));
})();
