// The menu of exports, on the Video and on the Jobs tab. A file is fetched first, so that a reason why there is
// none is shown here.
(() => {
  const haven = window.haven;

  haven.exports = (element) => {
    const menu = haven.exportMenu(element, "exports");
    haven.openExports = () => {
      menu.say("");
      if (haven.shownJob()) menu.open(document.querySelector("button#haven-export, #haven-export button"), haven.shownJob());
      else haven.say("There is nothing to export yet: analyse a video first.");
    };
  };

  // The menu in `root` that `name` marks; `open` shows it at a button, for a job.
  haven.exportMenu = (root, name) => {
    const menu = root.querySelector(`[data-${name}]`);
    const line = root.querySelector(`[data-${name}-said]`);
    const replace = line.querySelector("[data-replace]");
    let job = "";

    haven.menu(menu, (button) => {
      if (button.dataset.format) download(job, button.dataset.format, say);
      else beside(false);
    });
    replace.addEventListener("click", () => beside(true));

    async function beside(overwrite) {
      const answer = await haven.posted("/exports/beside", { job: overwrite ? replace.dataset.job : job, overwrite });
      say(answer.said, answer.failed);
      replace.hidden = !answer.in_the_way;
      if (!overwrite) replace.dataset.job = job;
    }

    function say(text, failed = false) {
      line.hidden = !text;
      line.classList.toggle("bad", failed);
      line.firstElementChild.textContent = text;
      replace.hidden = true;
    }

    function open(button, identity) {
      job = identity;
      say("");
      menu.openAt(button);
    }

    return { open, say };
  };

  // Makes a popover a menu: `chosen` gets the button that was picked, `openAt` shows it at its opener.
  haven.menu = (menu, chosen) => {
    let opener = null;
    menu.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      menu.hidePopover();
      opener.focus();
      chosen(button);
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Tab") menu.hidePopover(); // and on to what follows its opener
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const items = [...menu.querySelectorAll("button")];
      items.at((items.indexOf(document.activeElement) + step) % items.length)?.focus();
    });
    // Below the button, or above it where there is no room.
    menu.openAt = (button) => {
      opener = button;
      menu.showPopover();
      const at = opener.getBoundingClientRect();
      const below = at.bottom + 4;
      const room = below + menu.offsetHeight <= innerHeight;
      menu.style.top = `${Math.max(4, room ? below : Math.min(at.top - 4, innerHeight - 4) - menu.offsetHeight)}px`;
      menu.style.left = `${Math.max(4, Math.min(at.right, innerWidth - 4) - menu.offsetWidth)}px`;
      menu.querySelector("button")?.focus();
    };
  };

  async function download(job, format, say) {
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

  // Of the file, as the server calls it: plain, or encoded where it has other than ASCII letters.
  function name(answer) {
    const said = answer.headers.get("content-disposition") || "";
    const encoded = /filename\*=utf-8''([^;]+)/i.exec(said);
    if (encoded) return decodeURIComponent(encoded[1]);
    return /filename="([^"]*)"/.exec(said)?.[1] || "export";
  }
})();
