// Lets a page at rest be at rest. Gradio's loading screen counts tenths of seconds with a loop of animation
// frames, and goes on after it is gone: sixty times a second, on every page, for as long as it is open. Haven
// shows none of these counters, so their frames are not granted. If Gradio writes them otherwise one day,
// nothing is matched and nothing breaks; a test in the browser says so.
(() => {
  const granted = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => (isCounter(callback) ? 0 : granted(callback));

  function isCounter(callback) {
    const text = String(callback);
    return text.length < 120 && text.includes("(performance.now()-");
  }
})();
