// The box that a question is typed into: it grows with its text, and what is not sent yet survives a reload.
(() => {
  const haven = window.haven;
  const DRAFT = "haven-chat-draft"; // what is typed and not sent, in this window

  // `submit` is for Enter, `leave` for Escape.
  haven.chatComposer = (root, submit, leave) => {
    const box = root.querySelector("#haven-message");

    // The conversation keeps its place above it.
    function sized() {
      box.style.height = "auto";
      box.style.height = `${Math.min(box.scrollHeight + 2, innerHeight * 0.35)}px`;
    }

    function typed() {
      sized();
      sessionStorage.setItem(DRAFT, box.value);
    }

    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) submit(event);
      if (event.key === "Escape") leave();
    });
    box.addEventListener("input", typed);
    box.value = sessionStorage.getItem(DRAFT) || "";
    new ResizeObserver(sized).observe(box);

    return {
      box,
      write: (text) => {
        box.value = text;
        typed();
      },
    };
  };
})();
