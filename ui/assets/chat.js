// The Chat tab: sends what a person does, and redraws what the server says differs. What messages look like is
// decided in Python; pictures that wait to be sent are in chat_pictures.js.
(() => {
  const haven = window.haven;
  const KEY = "haven-chat"; // the chat that is shown, in this browser
  const DRAFT = "haven-chat-draft"; // what is typed and not sent, in this window
  const marks = new Map(); // part -> mark of what stands there
  const queue = []; // what is asked of the server, in this order, each once the one before is answered
  const PATIENCE_MS = 15000;
  let root = null;
  let trigger = null;
  let shown = localStorage.getItem(KEY) || "";
  let answering = false;
  let editing = 0;
  let undo = "";
  let atEnd = true; // the reader is at the end of the conversation, and is kept there
  let serial = 0;
  let timer = 0;
  let asking = false;
  let again = false;

  const find = (selector) => root.querySelector(selector);
  const box = () => find("#haven-message");

  haven.chat = (element, props, watch, tell) => {
    root = element.querySelector(".chat");
    trigger = tell;
    watch("value", () => answered(props.value));
    root.addEventListener("click", onClick);
    find("[data-form]").addEventListener("submit", onSubmit);
    find("[data-search]").addEventListener("input", soon);
    find("[data-import]").addEventListener("change", onImport);
    find("[data-settings]").addEventListener("change", onSetting);
    box().addEventListener("keydown", onKey);
    box().addEventListener("input", () => sized(true));
    box().value = sessionStorage.getItem(DRAFT) || "";
    new ResizeObserver(() => sized(false)).observe(box());
    new ResizeObserver(follow).observe(find("[data-scroll]"));
    find("[data-scroll]").addEventListener("scroll", noteReader);
    haven.chatPictures(root, say);
    haven.saved(
      find("[data-saved]"),
      "questions",
      () => ({ prompt: box().value }),
      (saved) => haven.typeInto(box(), saved.prompt),
    );
    new IntersectionObserver(soon).observe(root);
    document.addEventListener("visibilitychange", soon);
    soon();
  };

  // What the server is asked to do

  function ask(act, more, then) {
    serial += 1;
    queue.push({ serial: `${Date.now()}-${serial}`, act, more, then: then || (() => {}), late: 0 });
    if (queue.length === 1) sendNext();
  }

  function sendNext() {
    const [next] = queue;
    if (!next) return;
    trigger({ ask: { act: next.act, session: shown, serial: next.serial, ...next.more } });
    next.late = setTimeout(() => settle(next, { session: shown, said: "Haven did not answer. Try again.", failed: true }), PATIENCE_MS);
    setTimeout(soon, 60);
  }

  function answered(text) {
    const reply = text ? JSON.parse(text) : {};
    if (queue.length && queue[0].serial === reply.serial) settle(queue[0], reply);
  }

  function settle(asked, reply) {
    clearTimeout(asked.late);
    queue.shift();
    if (asked.then(reply) !== "said") say(reply.said, reply.failed, reply.undo);
    if (!reply.failed && reply.session !== shown) show(reply.session);
    sendNext();
    soon();
  }

  async function onSubmit(event) {
    event.preventDefault();
    const text = box().value;
    const where = shown;
    const pictures = haven.chatPictures.count();
    if (answering || root.dataset.sending === "yes") return;
    if (!text.trim() && !pictures) return box().focus();
    if (editing && pictures) return say("A changed question keeps its own pictures. Leave out the new ones.", true);
    sending(true);
    if (haven.chatPictures.waiting()) say("It is sent as soon as its pictures are taken in.");
    const images = await haven.chatPictures.ready();
    // One could not be taken in, which is said; or another chat is shown by now, for which it was not meant.
    if (images === null || shown !== where) return sending(false);
    const act = editing ? "edit" : "send";
    ask(act, { text, images, message: editing }, (reply) => {
      sending(false);
      if (reply.failed) return;
      if (box().value === text) write("");
      haven.chatPictures.clear();
      edit(0);
      toEnd();
    });
  }

  function sending(yes) {
    root.dataset.sending = yes ? "yes" : "no";
    find(".chat-send").disabled = yes;
  }

  function onKey(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) onSubmit(event);
    if (event.key === "Escape" && editing) keepQuestion();
  }

  const acts = {
    new: () => {
      show("");
      box().focus();
    },
    open: (button) => show(button.closest("[data-session]").dataset.session),
    list: () => list(root.dataset.list !== "open"),
    rename: (button) => rename(button.closest("[data-session]")),
    delete: (button) => ask("delete", { which: button.closest("[data-session]").dataset.session }),
    undo: () => ask("restore", { which: undo }),
    stop: () => ask("stop", {}, () => box().focus()),
    regenerate: () => ask("regenerate", {}, () => toEnd()),
    edit: (button) => {
      edit(Number(button.dataset.message));
      write(button.closest(".message").querySelector(".said")?.textContent || "");
      box().focus();
    },
    unedit: keepQuestion,
    copy: (button) => copy(button),
    pick: () => haven.chatPictures.pick(),
    export: (button) => {
      if (shown) location.href = `/exports/chat/${encodeURIComponent(shown)}.${button.dataset.format}`;
      else say("Open a chat first; then it can be exported.", true);
    },
  };

  function onClick(event) {
    const moment = event.target.closest("[data-seek]");
    const example = event.target.closest("[data-example]");
    const button = event.target.closest("[data-do]");
    if (moment) seek(event, Number(moment.dataset.seek));
    else if (example) {
      write(example.dataset.example);
      find("[data-form]").requestSubmit();
    } else if (button && !button.disabled) acts[button.dataset.do](button);
  }

  function seek(event, seconds) {
    event.preventDefault();
    if (document.documentElement.dataset.stage !== "full") {
      say("Choose a video on the Video tab first; then a time leads into it.", true);
      return;
    }
    haven.showTab("Video");
    haven.seek(seconds);
  }

  async function copy(button) {
    await navigator.clipboard.writeText(button.closest(".message").querySelector(".written").innerText);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1200);
  }

  function rename(row) {
    const title = row.querySelector(".chat-open span");
    const input = document.createElement("input");
    input.value = title.textContent;
    input.maxLength = 120;
    input.setAttribute("aria-label", "New name");
    row.dataset.held = "yes";
    row.prepend(input);
    input.select();
    let done = false;
    const end = (keep) => {
      if (done) return;
      done = true;
      delete row.dataset.held;
      input.remove();
      if (keep && input.value.trim() && input.value !== title.textContent) {
        ask("rename", { which: row.dataset.session, text: input.value });
      }
    };
    input.addEventListener("blur", () => end(true));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") end(true);
      if (event.key === "Escape") end(false);
      if (event.key === "Enter" || event.key === "Escape") row.querySelector(".chat-open").focus();
    });
  }

  async function onImport(event) {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    const path = await haven.chatPictures.upload(file);
    if (path) ask("import", { text: path });
    else say(`${file.name} could not be taken in.`, true);
  }

  function onSetting(event) {
    const field = event.target;
    field.dataset.refused = "yes"; // until the answer is there, what was typed stays
    const value = field.type === "number" ? (field.value === "" ? "" : Number(field.value)) : field.value;
    ask("settings", { values: { [field.dataset.setting]: value } }, (reply) => {
      field.dataset.refused = reply.failed ? "yes" : "no";
      field.setAttribute("aria-invalid", String(reply.failed));
      const line = find("[data-settings-said]");
      line.textContent = reply.failed ? reply.said : "Kept. It holds from the next question on, in every chat.";
      line.classList.toggle("bad", reply.failed);
      return "said";
    });
  }

  // What is shown

  function show(session) {
    if (session !== shown) edit(0);
    shown = session;
    localStorage.setItem(KEY, shown);
    list(false);
    toEnd();
    soon();
  }

  function list(open) {
    root.dataset.list = open ? "open" : "closed";
    find("[data-do=list]").setAttribute("aria-expanded", String(open));
  }

  function edit(message) {
    editing = message;
    find("[data-editing]").hidden = !message;
  }

  function keepQuestion() {
    edit(0);
    write("");
    box().focus();
  }

  function write(text) {
    box().value = text;
    sized(true);
  }

  // The box grows with its text, and the conversation keeps its place above it.
  function sized(typed) {
    box().style.height = "auto";
    box().style.height = `${Math.min(box().scrollHeight + 2, innerHeight * 0.35)}px`;
    if (typed) sessionStorage.setItem(DRAFT, box().value);
  }

  function say(text, failed, undoable) {
    const line = find("[data-said]");
    undo = undoable || "";
    line.hidden = !text;
    line.classList.toggle("bad", Boolean(failed));
    line.setAttribute("role", failed ? "alert" : "status");
    find("[data-said-text]").textContent = text || "";
    find("[data-do=undo]").hidden = !undo;
  }

  function noteReader() {
    const scroll = find("[data-scroll]");
    atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
  }

  function follow() {
    if (atEnd) find("[data-scroll]").scrollTop = find("[data-scroll]").scrollHeight;
  }

  function toEnd() {
    atEnd = true;
    follow();
  }

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
      const asked = shown;
      const have = [...marks].map(([name, mark]) => `${name}.${mark}`).join(",");
      const search = find("[data-search]").value;
      const answer = await haven.fetched(`/follow/chat?${new URLSearchParams({ session: asked, search, have })}`);
      if (answer) wait = asked === shown ? draw(answer) : 0;
      else marks.clear();
    } finally {
      asking = false;
      clearTimeout(timer);
      timer = setTimeout(look, again ? 20 : wait);
    }
  }

  function draw(answer) {
    for (const [name, [mark, html]] of Object.entries(answer.parts)) {
      haven.morph(find(`[data-part="${name}"]`), html);
      marks.set(name, mark);
    }
    if (shown && !answer.session) show(""); // it was deleted, perhaps in another window
    answering = answer.answering;
    root.dataset.answering = answering ? "yes" : "no";
    haven.chatPictures.refuse(answer.no_pictures);
    settings(answer.settings);
    follow();
    return answer.every_ms;
  }

  function settings(values) {
    for (const field of root.querySelectorAll("[data-setting]")) {
      if (field !== document.activeElement && field.dataset.refused !== "yes") field.value = values[field.dataset.setting];
    }
  }

  function soon() {
    clearTimeout(timer);
    again = true;
    timer = setTimeout(look, 20);
  }
})();
