// The Chat tab: what a person does there, and what the server says of it. What messages look like is decided in
// Python; the parts beside are chat_asking.js, chat_composer.js, chat_pictures.js, chat_reader.js, chat_renaming.js.
(() => {
  const haven = window.haven;
  const KEY = "haven-chat"; // the chat that is shown, in this browser
  let root = null;
  let asking = null; // { ask, answered }
  let composer = null; // { box, write }
  let reader = null; // { follow, toEnd }
  let shown = localStorage.getItem(KEY) || "";
  let answering = false;
  let editing = 0;
  let undo = "";
  let soon = () => {}; // asks at once what differs

  const find = (selector) => root.querySelector(selector);

  haven.chat = (element, props, watch, tell) => {
    root = element.querySelector(".chat");
    asking = haven.chatAsking((question) => {
      tell({ ask: { session: shown, ...question } });
      setTimeout(soon, 60);
    }, settled);
    composer = haven.chatComposer(root, onSubmit, () => editing && keepQuestion());
    reader = haven.chatReader(find("[data-scroll]"));
    watch("value", () => asking.answered(props.value));
    root.addEventListener("click", onClick);
    find("[data-form]").addEventListener("submit", onSubmit);
    find("[data-search]").addEventListener("input", () => soon());
    find("[data-import]").addEventListener("change", onImport);
    find("[data-settings]").addEventListener("change", onSetting);
    haven.chatPictures(root, say);
    haven.saved(
      find("[data-saved]"),
      "questions",
      () => ({ prompt: composer.box.value }),
      (saved) => haven.typeInto(composer.box, saved.prompt),
    );
    soon = haven.following(root, question, drawn);
  };

  // What the server is asked to do

  function ask(act, more, then) {
    asking.ask(act, more, then);
  }

  function settled(reply, told) {
    if (!told) say(reply.said, reply.failed, reply.undo);
    if (!reply.failed && reply.session !== shown) show(reply.session);
    soon();
  }

  async function onSubmit(event) {
    event.preventDefault();
    const text = composer.box.value;
    const where = shown;
    const pictures = haven.chatPictures.count();
    if (answering || root.dataset.sending === "yes") return;
    if (!text.trim() && !pictures) return composer.box.focus();
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
      if (composer.box.value === text) composer.write("");
      haven.chatPictures.clear();
      edit(0);
      reader.toEnd();
    });
  }

  function sending(yes) {
    root.dataset.sending = yes ? "yes" : "no";
    find(".chat-send").disabled = yes;
  }

  const acts = {
    new: () => {
      show("");
      composer.box.focus();
    },
    open: (button) => show(button.closest("[data-session]").dataset.session),
    list: () => list(root.dataset.list !== "open"),
    rename: (button) => {
      const row = button.closest("[data-session]");
      haven.chatRenaming(row, (text) => ask("rename", { which: row.dataset.session, text }));
    },
    delete: (button) => ask("delete", { which: button.closest("[data-session]").dataset.session }),
    undo: () => ask("restore", { which: undo }),
    stop: () => ask("stop", {}, () => composer.box.focus()),
    regenerate: () => ask("regenerate", {}, () => reader.toEnd()),
    edit: (button) => {
      edit(Number(button.dataset.message));
      composer.write(button.closest(".message").querySelector(".said")?.textContent || "");
      composer.box.focus();
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
      composer.write(example.dataset.example);
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

  async function onImport(event) {
    const [file] = event.target.files;
    event.target.value = "";
    if (!file) return;
    const { path, said } = await haven.upload(file);
    if (path) ask("import", { text: path });
    else say(said, true);
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
    reader.toEnd();
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
    composer.write("");
    composer.box.focus();
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

  function question() {
    return `/follow/chat?${new URLSearchParams({ session: shown, search: find("[data-search]").value })}`;
  }

  function drawn(answer) {
    if (shown && !answer.session) show(""); // it was deleted, perhaps in another window
    answering = answer.answering;
    root.dataset.answering = answering ? "yes" : "no";
    haven.chatPictures.refuse(answer.no_pictures);
    settings(answer.settings);
    reader.follow();
  }

  function settings(values) {
    for (const field of root.querySelectorAll("[data-setting]")) {
      if (field !== document.activeElement && field.dataset.refused !== "yes") field.value = values[field.dataset.setting];
    }
  }
})();
