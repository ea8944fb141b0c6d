"""What stands on the Video tab's left: a chosen video, or the video of a job."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from engine.errors import HavenError, InvalidInput
from engine.paths import place_of
from ui import wording
from ui.house import House
from ui.media import Opened, uploaded_file

SRC_OPENED = "/media/opened/{}"
SRC_JOB = "/media/job/{}"


@dataclass(frozen=True)
class Staged:
    """A video on the stage, and the job that is followed there. Travels through the browser as JSON."""

    token: str = ""  # of the video, while this process lives
    src: str = ""  # what the player plays: an address below the server's root; empty: there is no video
    name: str = ""  # of the video, as the person knows it
    detail: str = ""  # its length, size and codec, or why it is not there
    job: str = ""  # the id of the job that is followed

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
