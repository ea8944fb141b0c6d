// A chat of the list gets another name: a field stands in its row until Enter, Escape, or a click elsewhere.
(() => {
  const haven = window.haven;

  // `named` gets the name, where it is another one.
  haven.chatRenaming = (row, named) => {
    const title = row.querySelector(".chat-open span");
    const input = document.createElement("input");
    let done = false;

    function end(keep) {
      if (done) return;
      done = true;
      delete row.dataset.held;
      input.remove();
      if (keep && input.value.trim() && input.value !== title.textContent) named(input.value);
    }

    input.value = title.textContent;
    input.maxLength = 120;
    input.setAttribute("aria-label", "New name");
    input.addEventListener("blur", () => end(true));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
      if (event.key === "Enter" || event.key === "Escape") row.querySelector(".chat-open").focus();
    });
    row.dataset.held = "yes";
    row.prepend(input);
    input.select();
  };
})();
