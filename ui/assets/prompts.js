// The menu of what is saved by name, on the Video and on the Chat tab. What its rows look like is decided in Python.
(() => {
  const haven = window.haven;

  // `read` gives {tags, prompt} as they stand in the fields; `write` puts such a pair there.
  haven.saved = (root, only, read, write) => {
    const find = (selector) => root.querySelector(selector);
    const name = find("[data-saved-name]");
    let undo = null; // what is saved again to take back what was done last

    const acts = {
      take: (row) => {
        root.open = false;
        write({ tags: row.dataset.tags, prompt: row.dataset.prompt });
      },
      delete: (row) => send("delete", { name: row.dataset.name }),
      undo: () => send("save", undo),
      save: async () => {
        if (await send("save", { name: name.value, ...read() })) name.value = "";
      },
    };

    async function send(verb, body) {
      const answer = await haven.posted(`/prompts/${verb}?${new URLSearchParams({ only })}`, body);
      undo = answer.undo;
      if (answer.rows !== undefined) find("[data-saved-list]").innerHTML = answer.rows;
      const line = find("[data-saved-said]");
      line.classList.toggle("bad", answer.failed);
      line.firstElementChild.textContent = answer.said;
      find("[data-saved-do=undo]").hidden = !undo;
      if (!root.contains(document.activeElement)) (undo ? find("[data-saved-do=undo]") : name).focus();
      return !answer.failed;
    }

    root.addEventListener("toggle", () => root.open && send("list", {}));
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-saved-do]");
      if (button) acts[button.dataset.savedDo](button.closest("li"));
    });
    root.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === name && !event.isComposing) acts.save();
      if (event.key !== "Escape") return;
      root.open = false;
      find("summary").focus();
    });
  };

  haven.savedForVideo = (element) => {
    const field = (part) => document.querySelector(`#haven-${part} :is(textarea, input)`);
    haven.saved(
      element.querySelector("[data-saved]"),
      "",
      () => ({ tags: field("tags").value, prompt: field("prompt").value }),
      (saved) => {
        for (const part of ["prompt", "tags"]) if (saved[part]) haven.typeInto(field(part), saved[part], true);
      },
    );
  };

  // As if it were typed, so that the browser can take it back; in place of all that is there, or at the caret.
  haven.typeInto = (field, text, whole) => {
    field.focus();
    if (whole) field.select();
    if (document.execCommand("insertText", false, text)) return;
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  // What our own routes answer to what a person did: `said`, `failed`, and what else there is.
  haven.posted = async (address, body) => {
    const nobody = { said: "Haven did not answer. Try again.", failed: true, undo: null };
    try {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(address, { method: "POST", headers, body: JSON.stringify(body) });
      return answer.ok ? await answer.json() : nobody;
    } catch (error) {
      if (error instanceof TypeError) return nobody;
      throw error;
    }
  };
})();
