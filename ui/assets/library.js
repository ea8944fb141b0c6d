// The Library tab: asks what is in it while it is in sight. What rows look like is decided in Python; their
// buttons go the way of those of the Jobs list.
(() => {
  const haven = window.haven;
  const marks = new Map(); // part -> mark of what stands there
  let root = null;
  let tell = null;
  let offset = 0;
  let timer = 0;
  let asking = false;
  let again = false;

  haven.library = (element, trigger) => {
    root = element.querySelector(".library");
    tell = trigger;
    marks.clear();
    haven.mount("library", element, trigger);
    root.addEventListener("submit", onWatch);
    root.addEventListener("click", onTurn);
    root.querySelector("[data-search]").addEventListener("input", onChoice);
    root.querySelector("[data-state]").addEventListener("change", onChoice);
    new IntersectionObserver(soon).observe(root);
    soon();
  };

  function onWatch(event) {
    event.preventDefault();
    const form = event.target;
    const fields = Object.fromEntries(new FormData(form));
    fields.recursive = form.elements.recursive.checked;
    tell({ act: "watch", job: JSON.stringify(fields) });
    for (const delay of [60, 200, 500, 1000]) setTimeout(soon, delay);
  }

  function onTurn(event) {
    const turn = event.target.closest("[data-page]");
    if (!turn || turn.disabled) return;
    offset = Number(turn.dataset.page);
    soon();
  }

  function onChoice() {
    offset = 0;
    soon();
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
      const search = root.querySelector("[data-search]").value;
      const state = root.querySelector("[data-state]").value;
      const answer = await haven.fetched(`/follow/library?${new URLSearchParams({ have, search, state, offset })}`);
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
    return answer.every_ms;
  }

  // Who pressed a button by key is still in its row when another button has taken its place.
  function keepPlace(row) {
    if (!row || !row.isConnected || row.contains(document.activeElement)) return;
    row.querySelector("button:not(:disabled)")?.focus({ preventScroll: true });
  }

  function soon() {
    clearTimeout(timer);
    again = true;
    timer = setTimeout(look, 20);
  }

  document.addEventListener("visibilitychange", soon);
  document.addEventListener("click", () => setTimeout(soon, 150));
})();
