// The search over all videos: what was found is a list of buttons, each opens its video where it is.
(() => {
  const haven = window.haven;
  let root = null;
  let asked = "";

  haven.find = (element, trigger) => {
    root = element;
    root.addEventListener("submit", (event) => {
      event.preventDefault();
      look();
    });
    root.querySelector("input").addEventListener("input", (event) => event.target.value || clear());
    root.addEventListener("click", (event) => {
      const hit = event.target.closest("[data-open]");
      if (!hit) return;
      haven.seekIn(hit.dataset.open, Number(hit.dataset.at));
      haven.showTab("Video");
      trigger({ act: "open", job: hit.dataset.open });
    });
  };

  function clear() {
    asked = "";
    root.querySelector("[data-found]").replaceChildren();
  }

  async function look() {
    const query = root.querySelector("input").value.trim();
    if (!query) return clear();
    asked = query;
    const answer = await haven.fetched(`/find?${new URLSearchParams({ query })}`);
    const said = answer || { trouble: "Haven did not answer. Try again." };
    if (asked !== query) return; // something else is looked for by now
    const place = root.querySelector("[data-found]");
    if (said.found) return haven.morph(place, said.found);
    const line = document.createElement("p");
    line.className = "notice error";
    line.setAttribute("role", "alert");
    line.textContent = said.trouble;
    place.replaceChildren(line);
  }
})();
