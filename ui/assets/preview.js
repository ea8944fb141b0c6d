// A video that this browser cannot play: has a small copy made that it can, shows how far that is, and plays it.
(() => {
  const haven = window.haven;
  let asked = ""; // the address of the video that a copy is made of
  let timer = 0;

  // `broken` is what the player found out about the video that it was given last.
  haven.preview = (stage, broken) => {
    const video = stage.querySelector("video");
    const source = video.getAttribute("src") || "";
    clearTimeout(timer);
    if (!broken || source.includes("/preview.mp4")) {
      if (!source.includes("/preview.mp4")) asked = "";
      return;
    }
    asked = source;
    look(stage, source, "POST");
  };

  async function look(stage, source, method) {
    let view = null;
    try {
      const answer = await fetch(`${source}/preview`, { method, cache: "no-store" });
      view = answer.ok ? await answer.json() : null;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    const video = stage.querySelector("video");
    if (asked !== source || video.getAttribute("src") !== source) return; // another one is shown by now
    if (view && view.state === "ready") {
      video.src = `${source}/preview.mp4`;
      video.load();
      return;
    }
    say(stage, source, view);
    if (view && (view.state === "waiting" || view.state === "making")) {
      timer = setTimeout(() => look(stage, source, "GET"), 400);
    }
  }

  function say(stage, source, view) {
    const place = stage.querySelector(".cannot");
    const busy = view && (view.state === "waiting" || view.state === "making");
    const text = busy
      ? `Your browser can't play this format. A small copy that it can play is being made: ${Math.floor(100 * view.progress)}\u00a0% `
      : `Your browser can't play this format; the analysis works all the same. ${(view && view.message) || ""}`;
    if (place.firstChild && place.firstChild.nodeType === Node.TEXT_NODE) place.firstChild.data = text;
    else place.prepend(text);
    const button = place.querySelector("button");
    if (busy && !button) place.append(stopButton(stage, source));
    if (!busy && button) button.remove();
  }

  function stopButton(stage, source) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small";
    button.textContent = "Stop";
    button.addEventListener("click", () => {
      clearTimeout(timer);
      look(stage, source, "DELETE");
    });
    return button;
  }
})();
