// Light or dark, decided before the first picture: what was chosen here, else the address, else the system.
// Gradio puts its own class on the body when it starts; the observer keeps that in step with the choice.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const key = "haven-look";

  function wanted() {
    const chosen = localStorage.getItem(key) || new URL(location.href).searchParams.get("__theme");
    if (chosen === "light" || chosen === "dark") return chosen;
    return system.matches ? "dark" : "light";
  }

  function apply() {
    const look = wanted();
    if (root.dataset.look !== look) root.dataset.look = look;
    if (document.body && document.body.classList.contains("dark") !== (look === "dark")) {
      document.body.classList.toggle("dark", look === "dark");
    }
  }

  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    new MutationObserver(apply).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  });

  window.haven = {
    look(element) {
      element.querySelector("[data-look-toggle]").addEventListener("click", () => {
        localStorage.setItem(key, wanted() === "dark" ? "light" : "dark");
        apply();
      });
    },
  };
})();
