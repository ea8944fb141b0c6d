// Pictures that wait to be sent with a question: dropped, pasted or chosen, taken in at once, shown small.
(() => {
  const haven = window.haven;
  const kinds = /^image\/(png|jpeg|webp|gif|bmp)$/;
  const most = 8;
  let root = null;
  let say = null;
  let reason = ""; // why none can be added now
  let pictures = []; // {file, path, item, arrival}; a path is there once the server has the file

  haven.chatPictures = (element, tell) => {
    root = element;
    say = tell;
    const input = root.querySelector("[data-pick]");
    const main = root.querySelector(".chat-main");
    input.addEventListener("change", () => {
      add([...input.files]);
      input.value = "";
    });
    main.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files];
      if (!files.length) return;
      event.preventDefault();
      add(files);
    });
    for (const name of ["dragenter", "dragover"]) main.addEventListener(name, (event) => over(event, true));
    for (const name of ["dragleave", "drop"]) main.addEventListener(name, (event) => over(event, false));
    main.addEventListener("drop", (event) => add([...event.dataTransfer.files]));
  };

  haven.chatPictures.pick = () => {
    if (reason) say(reason, true);
    else root.querySelector("[data-pick]").click();
  };

  haven.chatPictures.count = () => pictures.length;

  haven.chatPictures.waiting = () => pictures.some(({ path }) => !path);

  // The paths to send, once all are there; null where one could not be taken in.
  haven.chatPictures.ready = async () => {
    while (haven.chatPictures.waiting()) {
      const there = await Promise.all(pictures.map(({ arrival }) => arrival));
      if (!there.every(Boolean)) return null;
    }
    return pictures.map(({ path }) => path);
  };

  haven.chatPictures.clear = () => [...pictures].forEach(remove);

  haven.chatPictures.refuse = (why) => {
    reason = why;
    const button = root.querySelector("[data-do=pick]");
    button.setAttribute("aria-disabled", why ? "true" : "false");
    button.title = why || "Add pictures";
  };

  function over(event, yes) {
    event.preventDefault();
    root.querySelector(".composer").classList.toggle("over", yes);
  }

  function add(files) {
    if (!files.length) return;
    const fit = files.filter(({ type }) => kinds.test(type)).slice(0, most - pictures.length);
    if (reason) say(reason, true);
    else {
      for (const file of fit) {
        const picture = shown(file);
        picture.arrival = arrive(picture);
      }
      if (fit.length < files.length) say(`Pictures only, at most ${most} with a question.`, true);
    }
  }

  function shown(file) {
    const item = document.createElement("li");
    const picture = { file, path: "", item, arrival: null };
    item.append(preview(file), cross(picture));
    pictures.push(picture);
    root.querySelector("[data-pictures]").append(item);
    return picture;
  }

  // Whether the question can be sent as far as this picture goes: it is there, or was left out meanwhile.
  async function arrive(picture) {
    const { path, said } = await haven.upload(picture.file);
    picture.path = path;
    if (picture.path || !pictures.includes(picture)) return true;
    remove(picture);
    say(said, true);
    return false;
  }

  function preview(file) {
    const image = document.createElement("img");
    image.src = URL.createObjectURL(file);
    image.alt = file.name;
    return image;
  }

  function cross(picture) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", `Leave out ${picture.file.name}`);
    button.addEventListener("click", () => {
      remove(picture);
      root.querySelector("#haven-message").focus();
    });
    return button;
  }

  function remove(picture) {
    pictures = pictures.filter((one) => one !== picture);
    URL.revokeObjectURL(picture.item.querySelector("img").src);
    picture.item.remove();
  }
})();
