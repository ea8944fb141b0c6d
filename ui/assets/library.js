// The Library tab: asks what is in it while it is in sight. What rows look like is decided in Python; their
// buttons go the way of those of the Jobs list.
(() => {
  const haven = window.haven;
  let root = null;
  let tell = null;
  let offset = 0;
  let soon = () => {}; // asks at once

  haven.library = (element, trigger) => {
    root = element.querySelector(".library");
    tell = trigger;
    haven.mount("library", element, trigger);
    root.addEventListener("submit", onWatch);
    root.addEventListener("click", onTurn);
    root.querySelector("[data-search]").addEventListener("input", onChoice);
    root.querySelector("[data-state]").addEventListener("change", onChoice);
    soon = haven.following(root, question, () => {});
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

  function question() {
    const search = root.querySelector("[data-search]").value;
    const state = root.querySelector("[data-state]").value;
    return `/follow/library?${new URLSearchParams({ search, state, offset })}`;
  }

  document.addEventListener("click", () => setTimeout(soon, 150));
})();
