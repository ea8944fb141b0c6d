// The menu of exports on the Video tab. A file is fetched first, so that a reason why there is none is shown here.
(() => {
  const haven = window.haven;
  let root = null;

  haven.exports = (element) => {
    root = element;
    const menu = find("[data-exports]");
    menu.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      menu.hidePopover();
      opener().focus();
      if (button.dataset.format) download(haven.shownJob(), button.dataset.format);
      else beside(haven.shownJob(), false);
    });
    menu.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const items = [...menu.querySelectorAll("button")];
      items.at((items.indexOf(document.activeElement) + step) % items.length).focus();
    });
    find("[data-replace]").addEventListener("click", (event) => beside(event.target.dataset.job, true));
  };

  // Below the button, or above it where there is no room.
  haven.openExports = () => {
    say("");
    if (!haven.shownJob()) {
      haven.say("There is nothing to export yet: analyse a video first.");
      return;
    }
    const menu = find("[data-exports]");
    menu.showPopover();
    const at = opener().getBoundingClientRect();
    const below = at.bottom + 4;
    const room = below + menu.offsetHeight <= innerHeight;
    menu.style.top = `${Math.max(4, room ? below : Math.min(at.top - 4, innerHeight - 4) - menu.offsetHeight)}px`;
    menu.style.left = `${Math.max(4, Math.min(at.right, innerWidth - 4) - menu.offsetWidth)}px`;
    menu.querySelector("button").focus();
  };

  function find(selector) {
    return root.querySelector(selector);
  }

  function opener() {
    return document.querySelector("button#haven-export, #haven-export button");
  }

  async function download(job, format) {
    say("Making the file…");
    try {
      const answer = await fetch(`/exports/page/${encodeURIComponent(job)}.${format}`, { cache: "no-store" });
      if (answer.headers.has("x-haven-said")) return say((await answer.json()).said, true);
      if (!answer.ok) return say("The file could not be made. Try again.", true);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = name(answer);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      say("");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      say("Haven did not answer. Try again.", true);
    }
  }

  async function beside(job, overwrite) {
    const answer = await haven.posted("/exports/beside", { job, overwrite });
    say(answer.said, answer.failed);
    const replace = find("[data-replace]");
    replace.hidden = !answer.in_the_way;
    replace.dataset.job = job;
  }

  // Of the file, as the server calls it: plain, or encoded where it has other than ASCII letters.
  function name(answer) {
    const said = answer.headers.get("content-disposition") || "";
    const encoded = /filename\*=utf-8''([^;]+)/i.exec(said);
    if (encoded) return decodeURIComponent(encoded[1]);
    return /filename="([^"]*)"/.exec(said)?.[1] || "export";
  }

  function say(text, failed = false) {
    const line = find("[data-exports-said]");
    line.hidden = !text;
    line.classList.toggle("bad", failed);
    line.firstElementChild.textContent = text;
    find("[data-replace]").hidden = true;
  }
})();
