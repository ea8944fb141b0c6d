// The stage: one player for every video, however it was chosen. It knows where a video is, not what was found in it.
(() => {
  const haven = window.haven;
  let stage = null;
  let wanted = null; // { job, seconds }: where to go once that job is on the stage

  haven.stage = (element, props, watch, upload) => {
    stage = element.querySelector(".stage");
    const video = stage.querySelector("video");
    video.addEventListener("error", () => cannotPlay(true));
    video.addEventListener("loadedmetadata", () => cannotPlay(video.videoWidth === 0));
    video.addEventListener("timeupdate", () => haven.onPlayhead && haven.onPlayhead(video.currentTime));
    stage.querySelector("[data-another]").addEventListener("click", () => choosing(stage.dataset.choosing !== "yes"));
    haven.drop(stage, upload);
    watch("value", () => show(parse(props.value)));
    show(parse(props.value));
  };

  haven.seek = (seconds) => {
    const video = stage && stage.querySelector("video");
    if (!video || !video.getAttribute("src")) return;
    video.pause();
    video.currentTime = seconds;
    haven.onPlayhead && haven.onPlayhead(seconds);
  };

  // In seconds, as an analysis or the browser knows it; 0: unknown.
  haven.videoLength = () => {
    const { duration } = stage.querySelector("video");
    return haven.timeline.length() || (Number.isFinite(duration) ? duration : 0);
  };

  // Go to a moment of a job whose video is about to be shown.
  haven.seekIn = (job, seconds) => (wanted = { job, seconds });

  function show(staged) {
    const video = stage.querySelector("video");
    const empty = !staged.name;
    stage.dataset.empty = empty ? "yes" : "no";
    document.documentElement.dataset.stage = empty ? "empty" : "full";
    choosing(false);
    stage.querySelector("[data-name]").textContent = staged.name || "";
    stage.querySelector("[data-detail]").textContent = staged.detail || "";
    if (video.getAttribute("src") !== (staged.src || null) && !samePlace(video, staged)) {
      cannotPlay(false);
      haven.putAwaySpans(); // what was read from a file is about the video before
      if (staged.src) video.src = staged.src;
      else video.removeAttribute("src");
      video.load();
    }
    video.dataset.token = staged.token || "";
    haven.followJob(staged.job || "");
    if (wanted && wanted.job === staged.job) {
      haven.seek(wanted.seconds);
      wanted = null;
    }
  }

  // A job that was just made plays on where the video stood: its source has another name, not another picture.
  function samePlace(video, staged) {
    return Boolean(staged.token) && video.dataset.token === staged.token;
  }

  function choosing(yes) {
    stage.dataset.choosing = yes ? "yes" : "no";
    document.documentElement.dataset.choosing = yes ? "yes" : "no";
    stage.querySelector("[data-another]").textContent = yes ? "Keep this one" : "Choose another";
  }

  function cannotPlay(yes) {
    const video = stage.querySelector("video");
    const broken = yes && Boolean(video.getAttribute("src"));
    stage.querySelector(".cannot").hidden = !broken;
    video.classList.toggle("broken", broken);
    haven.preview && haven.preview(stage, broken);
  }

  function parse(text) {
    try {
      return JSON.parse(text) || {};
    } catch {
      return {};
    }
  }
})();
