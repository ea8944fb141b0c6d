// Asks what differs on a tab while that is in sight, and draws it: as often as the last answer says, and at once
// when something was done. What things look like is decided in Python.
(() => {
  const haven = window.haven;

  // `question` gives the address, to which is added what is drawn already; `drawn` gets each answer once its parts
  // are there. An answer to another question than would be asked now is left out. Gives what makes it ask at once.
  haven.following = (root, question, drawn) => {
    const marks = new Map(); // part -> mark of what stands there
    let timer = 0;
    let asking = false;
    let again = false;

    async function look() {
      if (asking) {
        again = true;
        return;
      }
      clearTimeout(timer);
      if (!root.isConnected || !root.offsetParent || document.hidden) return;
      asking = true;
      again = false;
      let wait = 1000;
      try {
        const asked = question();
        const have = [...marks].map(([name, mark]) => `${name}.${mark}`).join(",");
        const answer = await haven.fetched(`${asked}${asked.includes("?") ? "&" : "?"}${new URLSearchParams({ have })}`);
        if (answer) wait = asked === question() ? draw(answer) : 0;
        else marks.clear();
      } finally {
        asking = false;
        clearTimeout(timer);
        timer = setTimeout(look, again ? 20 : wait);
      }
    }

    function draw(answer) {
      for (const [name, [mark, html]] of Object.entries(answer.parts)) {
        haven.morph(root.querySelector(`[data-part="${name}"]`), html);
        marks.set(name, mark);
      }
      drawn(answer);
      return answer.every_ms;
    }

    function soon() {
      clearTimeout(timer);
      again = true;
      timer = setTimeout(look, 20);
    }

    new IntersectionObserver(soon).observe(root);
    document.addEventListener("visibilitychange", soon);
    soon();
    return soon;
  };
})();
