// What the server is asked to do with chats: one thing after another, each once the one before is answered.
(() => {
  const haven = window.haven;
  const PATIENCE_MS = 15000;

  // `send` hands a question over; `settled` gets what came of it, and whether `then` has said it already.
  haven.chatAsking = (send, settled) => {
    const queue = [];
    let serial = 0;

    function ask(act, more, then = () => {}) {
      serial += 1;
      queue.push({ serial: `${Date.now()}-${serial}`, act, more, then, late: 0 });
      if (queue.length === 1) sendNext();
    }

    function sendNext() {
      const [next] = queue;
      if (!next) return;
      send({ act: next.act, serial: next.serial, ...next.more });
      next.late = setTimeout(() => settle(next, { said: "Haven did not answer. Try again.", failed: true }), PATIENCE_MS);
    }

    function answered(text) {
      const reply = text ? JSON.parse(text) : {};
      if (queue.length && queue[0].serial === reply.serial) settle(queue[0], reply);
    }

    function settle(asked, reply) {
      clearTimeout(asked.late);
      queue.shift();
      settled(reply, asked.then(reply) === "said");
      sendNext();
    }

    return { ask, answered };
  };
})();
