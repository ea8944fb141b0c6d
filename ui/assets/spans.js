// The rules by which spans are made, their table, and the form that corrects one. A change is sent at once, and
// what comes back is drawn; one request is under way at a time, and the last wish is sent when it is answered.
(() => {
  const haven = window.haven;
  let root = null;
  let job = "";
  let view = null; // what the server said last
  let wished = null; // a change of the rules that waits for the one under way
  let sending = false;
  let settled = false; // a rule was let go of while a change was on its way
  let correcting = null; // [start, end] of the span in the form; null for a new one

  haven.spans = { reset, show };

  haven.mountSpans = (element) => {
    root = element.querySelector("[data-spans]");
    haven.mountRead(element.querySelector("[data-read-spans]"));
    haven.comparing.mount(root.querySelector("[data-compare]"));
    root.addEventListener("input", onInput);
    root.addEventListener("change", onChange);
    root.addEventListener("click", onClick);
    find("form").addEventListener("submit", onSubmit);
  };

  function find(selector) {
    return root.querySelector(selector);
  }

  function reset(identity) {
    job = identity;
    view = null;
    wished = null;
    haven.comparing.reset(identity);
    if (!root) return;
    root.hidden = true;
    find("[data-scope]").replaceChildren();
    find("[data-of]").replaceChildren();
    find("[data-span-form]").hidden = true;
    trouble("");
  }

  function show(found) {
    if (!root || found.job !== job) return;
    view = found;
    root.hidden = false;
    const tags = found.rows.map((row) => row.tag);
    root.dataset.tags = tags.length ? "yes" : "no";
    options(find("[data-scope]"), [["", "all tags"], ...tags.map((tag) => [tag, tag])]);
    options(find("[data-of]"), tags.map((tag) => [tag, tag]));
    find("[data-undo]").hidden = !found.corrections;
    haven.morph(find("[data-span-table]"), found.table);
    if (!wished && !sending) fill();
    haven.comparing.follow(found);
  }

  function options(list, wanted) {
    if (list.children.length === wanted.length) return;
    list.replaceChildren(...wanted.map(([value, text]) => new Option(text, value)));
  }

  // What holds for the tag that is picked, or for all.
  function rule() {
    const { tags, ...everywhere } = view.settings;
    return { ...everywhere, ...(tags[find("[data-scope]").value] || {}) };
  }

  function fill() {
    const { threshold, max_gap: gap, min_duration: least } = rule();
    const slider = find('[data-rule="threshold"]');
    if (document.activeElement !== slider) slider.value = Math.round(threshold * 100);
    find("[data-threshold]").textContent = `${slider.value}\u00a0%`;
    length("max_gap", gap);
    length("min_duration", least);
    find("[data-same]").hidden = !view.settings.tags[find("[data-scope]").value];
  }

  function length(name, value) {
    const field = find(`[data-rule="${name}"]`);
    if (document.activeElement === field) return;
    field.value = parseFloat(value);
    find(`[data-unit="${name}"]`).value = String(value).endsWith("%") ? "%" : "s";
  }

  function onInput(event) {
    if (!view || !event.target.dataset.rule) return;
    find("[data-threshold]").textContent = `${find('[data-rule="threshold"]').value}\u00a0%`;
    wish(event.target.dataset.rule);
  }

  function onChange(event) {
    if (!view) return;
    if (event.target.matches("[data-scope]")) fill();
    else if (event.target.dataset.unit) wish(event.target.dataset.unit);
    else if (event.target.dataset.rule) settle();
  }

  function wish(name) {
    const field = find(`[data-rule="${name}"]`);
    if (field.value === "" || !field.checkValidity()) return; // half typed
    const unit = find(`[data-unit="${name}"]`)?.value;
    const value = name === "threshold" ? Number(field.value) / 100 : `${field.value} ${unit}`;
    const tag = find("[data-scope]").value;
    wished = merged(wished, tag ? { tags: { [tag]: { [name]: value } } } : { [name]: value });
    send();
  }

  // Cards and totals are drawn anew once the last change is kept.
  function settle() {
    settled = sending || Boolean(wished);
    if (!settled) haven.redrawCards();
  }

  function merged(before, change) {
    if (!before) return change;
    const tags = { ...(before.tags || {}) };
    for (const [tag, one] of Object.entries(change.tags || {})) tags[tag] = { ...(tags[tag] || {}), ...one };
    return { ...before, ...change, tags };
  }

  async function send() {
    if (sending || !wished) return;
    sending = true;
    const change = wished;
    wished = null;
    try {
      await post("settings", change);
    } finally {
      sending = false;
    }
    if (wished) return send();
    if (view) fill();
    if (settled) settle();
  }

  // The picture after a change; false, with the reason shown, where it was refused.
  async function post(verb, given) {
    const asked = job;
    const said = await haven.posted(`/spans/${asked}/${verb}`, given);
    if (asked !== job) return false;
    trouble(said.trouble || said.said || "");
    if (said.rows) haven.timeline.show(said);
    return Boolean(said.rows);
  }

  function trouble(text) {
    const place = find("[data-span-trouble]");
    place.textContent = text;
    place.hidden = !text;
  }

  function onClick(event) {
    const button = event.target.closest("button");
    const row = event.target.closest("tr[data-start]");
    if (!button) {
      if (row) haven.seek(Number(row.dataset.start));
    } else if (button.dataset.seek) haven.seek(Number(button.dataset.seek));
    else if ("correct" in button.dataset) open(row);
    else if ("add" in button.dataset) open(null);
    else if ("undo" in button.dataset) post("undo", {});
    else if ("same" in button.dataset) post("settings", { tags: { [find("[data-scope]").value]: null } }).then(haven.redrawCards);
    else if ("leave" in button.dataset) find("form").hidden = true;
    else if ("delete" in button.dataset) correct(null);
    else if (button.dataset.now) find(`[data-${button.dataset.now}]`).value = written(haven.playhead());
  }

  function open(row) {
    const at = haven.playhead();
    correcting = row ? [Number(row.dataset.start), Number(row.dataset.end)] : null;
    const [start, end] = correcting || [at, Math.min(at + 1, view.duration)];
    find("[data-of]").value = row ? row.dataset.tag : find("[data-scope]").value || view.rows[0].tag;
    find("[data-of]").disabled = Boolean(row);
    find("[data-from]").value = written(start);
    find("[data-to]").value = written(end);
    find("[data-delete]").hidden = !row;
    find("form").hidden = false;
    find("form").scrollIntoView({ block: "nearest" });
    find("[data-from]").focus();
  }

  function onSubmit(event) {
    event.preventDefault();
    correct([find("[data-from]").value, find("[data-to]").value]);
  }

  async function correct(wanted) {
    // A field that was left as it was means the exact time, not the rounded one that it shows.
    const exact = wanted && correcting ? wanted.map((text, at) => (text === written(correcting[at]) ? correcting[at] : text)) : wanted;
    const buttons = root.querySelectorAll(".span-form-acts button");
    buttons.forEach((button) => (button.disabled = true)); // the first one reads the file, which may take a while
    const done = await post("correct", { tag: find("[data-of]").value, old: correcting, new: exact });
    buttons.forEach((button) => (button.disabled = false));
    if (done) find("form").hidden = true;
    haven.soon();
  }

  // 62.5 as 1:02.50, as the table has it.
  function written(seconds) {
    const parts = Math.round(seconds * 100);
    const minutes = Math.floor(parts / 6000);
    const rest = ((parts % 6000) / 100).toFixed(2).padStart(5, "0");
    if (minutes < 60) return `${minutes}:${rest}`;
    return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  }
})();
