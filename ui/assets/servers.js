// The forms of the Models tab that name servers. A key is sent once, and kept nowhere in the page.
(() => {
  const haven = window.haven;
  let root = null;
  let told = () => {}; // something was changed: the bar and the lists show it
  let changing = ""; // the name of the server that the form changes; empty: it adds one

  haven.servers = (element, tell, soon) => {
    root = element;
    told = () => {
      tell({ act: "servers", job: "" });
      for (const delay of [0, 300, 900]) setTimeout(soon, delay);
    };
    form().addEventListener("submit", onSave);
    form().querySelector("[data-server-leave]").addEventListener("click", leave);
    root.querySelector("[data-ollama-form]").addEventListener("submit", onOllama);
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-server-change]");
      if (button) change(button.dataset);
    });
  };

  // What was typed and not sent stays; else the field shows what counts.
  haven.servers.drawn = () => {
    const list = root.querySelector(".servers");
    const field = root.querySelector("[data-ollama-form] input");
    if (!list || field === document.activeElement || field.value !== (field.dataset.was || "")) return;
    field.value = field.dataset.was = list.dataset.ollama;
    field.placeholder = list.dataset.usual;
  };

  const form = () => root.querySelector("[data-server] form");

  function change({ name, url }) {
    leave();
    changing = name;
    title(`Change ${name}`);
    form().elements.name.value = name;
    form().elements.base_url.value = url;
    root.querySelector("[data-server]").open = true;
    form().elements.base_url.focus();
  }

  function leave() {
    changing = "";
    title("Add a server");
    form().reset();
    root.querySelector("[data-server]").open = false;
  }

  function title(text) {
    root.querySelector("[data-server] summary").textContent = text;
  }

  async function onSave(event) {
    event.preventDefault();
    event.stopPropagation(); // the tab takes other forms for names to pull
    const fields = Object.fromEntries(new FormData(form()));
    if (await sent("/servers/save", { ...fields, old_name: changing })) leave();
  }

  async function onOllama(event) {
    event.preventDefault();
    event.stopPropagation();
    const field = event.target.elements.address;
    if (await sent("/servers/ollama", { address: field.value })) field.dataset.was = field.value;
  }

  async function sent(address, body) {
    const answer = await haven.posted(address, body);
    const line = root.querySelector("[data-server-said]");
    line.hidden = false;
    line.textContent = answer.said;
    line.classList.toggle("trouble", answer.failed);
    if (!answer.failed) told();
    return !answer.failed;
  }
})();
