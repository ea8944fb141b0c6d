// Taking a video in by dropping or choosing it, with true progress. Where it goes from there is the server's business.
(() => {
  const haven = window.haven;

  haven.drop = (stage, done) => {
    const area = stage.querySelector(".drop");
    const input = area.querySelector("input");
    input.addEventListener("change", () => {
      if (input.files.length) send(stage, input.files[0], done);
      input.value = "";
    });
    for (const name of ["dragover", "dragenter"]) stage.addEventListener(name, (event) => over(event, stage, true));
    for (const name of ["dragleave", "drop"]) stage.addEventListener(name, (event) => over(event, stage, false));
    stage.addEventListener("drop", (event) => {
      if (event.dataTransfer.files.length) send(stage, event.dataTransfer.files[0], done);
    });
  };

  function over(event, stage, yes) {
    event.preventDefault();
    stage.classList.toggle("over", yes);
  }

  function send(stage, file, done) {
    const box = stage.querySelector(".sending");
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("files", file);
    box.querySelector("[data-sending-name]").textContent = file.name;
    box.querySelector("[data-sending-stop]").onclick = () => request.abort();
    progress(box, 0);
    stage.dataset.sending = "yes";
    box.hidden = false;
    request.upload.onprogress = (event) => progress(box, event.loaded / event.total);
    request.onloadend = () => {
      stage.dataset.sending = "no";
      box.hidden = true;
      if (request.status === 200) done({ path: JSON.parse(request.responseText)[0], name: file.name });
      else if (request.status) haven.say(haven.notTakenIn(file, request.status, request.responseText));
    };
    request.open("POST", "/gradio_api/upload");
    request.send(body);
  }

  function progress(box, share) {
    const percent = Math.round(share * 100);
    box.querySelector("[data-sending-share]").textContent = `${percent}\u00a0%`;
    const bar = box.querySelector(".progress");
    bar.setAttribute("aria-valuenow", percent);
    bar.firstElementChild.style.width = `${percent}%`;
  }
})();
