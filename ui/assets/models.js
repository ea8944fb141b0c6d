// The Models tab: asks what is here and how far downloads are, while it is in sight. What rows look like is
// decided in Python; their buttons go the way of those of the Jobs list.
(() => {
  const haven = window.haven;
  let root = null;
  let tell = null;
  let arrived = null; // the downloads that are complete, as one text
  let pulled = ""; // the name that was sent, until its row is there
  let soon = () => {}; // asks at once

  haven.models = (element, trigger) => {
    root = element.querySelector(".models");
    tell = trigger;
    haven.mount("models", element, trigger);
    root.addEventListener("submit", onPull);
    root.addEventListener("click", onLoad);
    soon = haven.following(root, () => "/follow/models", drawn);
    haven.servers(root, tell, soon);
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

  function drawn(answer) {
    emptied();
    haven.servers.drawn();
    const complete = answer.arrived.join(" ");
    if (arrived !== null && complete !== arrived) tell({ act: "arrived", job: "" });
    arrived = complete;
  }

  // A name that is being pulled need not stand in the field any more.
  function emptied() {
    if (!pulled || !root.querySelector(`[data-pulls="${CSS.escape(pulled)}"]`)) return;
    const box = root.querySelector("[data-pull] input");
    if (box && box.value.trim() === pulled) box.value = "";
    pulled = "";
  }

  document.addEventListener("click", () => setTimeout(soon, 150));
})();
