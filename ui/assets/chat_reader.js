// Where the reader of a conversation is: who is at its end is kept there, who has scrolled up is left alone.
(() => {
  const haven = window.haven;
  const NEAR = 40; // pixels from the end that count as the end

  haven.chatReader = (scroll) => {
    let atEnd = true;

    function follow() {
      if (atEnd) scroll.scrollTop = scroll.scrollHeight;
    }

    function toEnd() {
      atEnd = true;
      follow();
    }

    scroll.addEventListener("scroll", () => {
      atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR;
    });
    new ResizeObserver(follow).observe(scroll);
    return { follow, toEnd };
  };
})();
