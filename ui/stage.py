"""What stands on the Video tab's left: a chosen video, or the video of a job; and what is asked of it."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from engine.errors import HavenError, InvalidInput
from engine.paths import place_of
from engine.video.request import AnalysisRequest
from ui import wording
from ui.house import House
from ui.media import Opened, uploaded_file

SRC_OPENED = "/media/opened/{}"
SRC_JOB = "/media/job/{}"


@dataclass(frozen=True)
class Staged:
    """A video on the stage, and the job that is followed there. Travels through the browser as JSON."""

    token: str = ""  # of the video, while this process lives
    src: str = ""  # what the player plays
    name: str = ""
    detail: str = ""
    job: str = ""

    def as_json(self) -> str:
        return json.dumps({name: wording.printable(text) for name, text in asdict(self).items()})

    @classmethod
    def from_json(cls, text: Any) -> "Staged":
        """What a browser handed back; anything that is not one of these counts as an empty stage."""
        try:
            found = json.loads(text) if isinstance(text, str) else None
        except ValueError:
            return cls()
        known = {field.name for field in fields(cls)}
        if not isinstance(found, dict):
            return cls()
        return cls(
            **{name: value for name, value in found.items() if name in known and isinstance(value, str)}
        )


@dataclass(frozen=True)
class Asked:
    """What stands in the fields, as the widgets give it."""

    tags: str = ""
    prompt: str = ""
    interval: float | None = 2.0  # seconds
    start: str = ""
    end: str = ""
    most: str = ""
    codes: bool = False
    mode: str | None = "interval"
    times: str = ""  # seconds, with commas or spaces between
    reuse: str = ""  # per cent
    refine: bool = False
    summary: bool = False

    @classmethod
    def of(cls, request: AnalysisRequest) -> "Asked":
        """The fields as they stand for a request: with its video it is asked again by them."""
        sampling = request.sampling
        listed = sampling.mode == "times"
        return cls(
            tags=", ".join(tag.written for tag in request.asked),
            prompt=request.prompt,
            interval=float(sampling.interval),
            start=_seconds(sampling.start_us) if sampling.start_us else "",
            end="" if sampling.end_us is None else _seconds(sampling.end_us),
            most="" if sampling.max_frames is None else str(sampling.max_frames),
            codes=request.codes,
            mode="interval" if listed else sampling.mode,
            times=", ".join(map(_seconds, sampling.times_us)),
            reuse="" if sampling.reuse is None else repr(sampling.reuse).removesuffix(".0"),
            refine=sampling.refine,
            summary=request.summary,
        )

    def request(self, opened: Opened) -> AnalysisRequest:
        """Raises: InvalidInput, naming the field."""
        if self.interval is None:
            raise InvalidInput("Say how many seconds lie between two frames, for example 2.")
        given = {
            "start": _number("From", self.start),
            "end": _number("To", self.end),
            "max_frames": _number("At most", self.most),
            "reuse": _number("Reuse up to", self.reuse),
            "times": _numbers("At times", self.times),
        }
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        options |= {"codes": bool(self.codes), "refine": bool(self.refine), "summary": bool(self.summary)}
        if self.mode and self.mode != "interval":
            options["mode"] = self.mode
        return AnalysisRequest.of(
            opened.path,
            self.tags,
            self.prompt,
            self.interval,
            options,
            uploaded=opened.uploaded,
            name=opened.name,
        )


def _number(name: str, text: str) -> float | None:
    """What a person typed as a number; None for nothing. Raises: InvalidInput, naming the field."""
    if not text or not text.strip():
        return None
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise InvalidInput(f"{name} must be a number, or be left empty; not {text.strip()!r}.") from None


def _numbers(name: str, text: str) -> list[float] | None:
    """Numbers with commas, semicolons or spaces between; None for nothing. Raises: InvalidInput."""
    found = [_number(name, part) for part in (text or "").replace(",", " ").replace(";", " ").split()]
    return [number for number in found if number is not None] or None


def _seconds(time_us: int) -> str:
    """Exactly, and no longer than it has to be."""
    return f"{time_us / 1e6:.6f}".rstrip("0").rstrip(".")


def stage_of_path(house: House, text: str) -> Staged:
    """A video on this machine, named by its path. Raises: InvalidInput, MediaError."""
    path = text.strip().strip("\"'")
    if not path:
        raise InvalidInput("Type the path of a video on this machine, for example ~/Videos/lake.mp4.")
    return stage_of(house, Opened(place_of(path), Path(path).name))


def stage_of_upload(house: House, path: str, name: str) -> Staged:
    """A video that the browser has just sent. Raises: InvalidInput, MediaError."""
    real = uploaded_file(path)
    return stage_of(house, Opened(real, Path(name).name or real.name, uploaded=True))


def stage_of(house: House, opened: Opened) -> Staged:
    """Open a video and give it a token. Raises: InvalidInput, MediaError when it cannot be read."""
    info = house.engine.open_video(opened.path)
    if opened.uploaded:
        house.engine.expect_upload(opened.path)
    token = house.opened.add(opened)
    seconds = info.duration_us / 1e6
    parts = [wording.length(seconds) if seconds else "", f"{info.width} × {info.height}", info.codec.upper()]
    return Staged(token, SRC_OPENED.format(token), opened.name, " · ".join(part for part in parts if part))


def stage_of_job(house: House, job_id: str) -> Staged:
    """The video of a job, with its frames. Raises: InvalidInput for an unknown job."""
    job = house.engine.job(job_id)
    try:
        path = house.engine.video_path(job_id)
    except HavenError:  # the frames can be looked at all the same
        return Staged(name=job.video, detail="The video is not here any more.", job=job_id)
    if not path.is_file():
        return Staged(name=job.video, detail="The video is not here any more.", job=job_id)
    token = house.opened.add(Opened(path, job.video))
    detail = wording.length(job.duration) if job.duration else ""
    return Staged(token, SRC_JOB.format(job_id), job.video, detail, job_id)


def restored(house: House, remembered: Any) -> Staged:
    """The stage of a page that opens: what this browser looked at, else what is running, else empty."""
    before = Staged.from_json(remembered)
    if before.job:
        try:
            return stage_of_job(house, before.job)
        except InvalidInput:  # deleted meanwhile
            before = Staged()
    running = house.engine.active_job()
    if running is not None:
        return stage_of_job(house, running.job_id)
    return before if house.opened.get(before.token) else Staged()
