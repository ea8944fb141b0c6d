// The menus of a row on the Jobs tab: what its analysis is held against, and what it is exported as. Two analyses
// are compared on the Video tab; here they are only picked.
(() => {
  const haven = window.haven;

  haven.jobMenus = (element, tell) => {
    const exports = haven.exportMenu(element, "job-exports");
    const others = element.querySelector("[data-job-others]");
    const list = others.querySelector("[data-others]");
    let job = "";

    const menus = {
      export: (button) => exports.open(button, job),
      compare: async (button) => {
        const asked = job;
        exports.say("");
        const found = await haven.fetched(`/follow/others?${new URLSearchParams({ job })}`);
        if (!found || asked !== job) return;
        list.replaceChildren(...found.others.map(item));
        others.querySelector("[data-none]").hidden = found.others.length > 0;
        others.openAt(button);
      },
    };

    haven.menu(others, (button) => {
      haven.comparing.against(job, button.dataset.against);
      haven.showTab("Video");
      tell({ act: "open", job });
    });
    element.addEventListener("click", (event) => {
      const button = event.target.closest("[data-menu]");
      if (!button || button.disabled) return;
      job = button.dataset.job;
      menus[button.dataset.menu](button);
    });
  };

  function item([identity, name]) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("role", "menuitem");
    button.dataset.against = identity;
    button.textContent = name;
    return button;
  }
})();
