"""Jobs as files that other programs read: gathers what a format needs, and knows what lies beside videos."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.cancel import CancelToken
from engine.errors import InvalidInput, MediaError
from engine.events.jobs import JobResult
from engine.jobs.findings import Findings
from engine.jobs.lookup import known_job
from engine.jobs.videos import check_unchanged
from engine.jobs.views import seconds
from engine.settings import Sampling
from engine.trouble import storage_said
from engine.video import exports
from engine.video.corrections import Stretch
from engine.video.exports import beside
from engine.video.exports.writing import remove_partials
from engine.video.frames import probe
from engine.video.tags import with_details
from storage.records import JobRecord
from storage.store import Store


class Exports:
    """Files made of jobs. Every method may be called from any thread."""

    def __init__(self, store: Store, findings: Findings, result: Callable[[str], JobResult]) -> None:
        """`result` gives everything that is known of a job."""
        self._store = store
        self._findings = findings
        self._result = result

    def start(self) -> None:
        """Remove what a process that was killed had begun to write; before anything is exported here."""
        remove_partials(self._store.folder / "exports")

    def formats(self) -> tuple[exports.Format, ...]:
        """Every format, those of most worth first."""
        return tuple(exports.FORMATS.values())

    def export(self, job_id: str, format: str) -> Path:
        """Write a job as a file into the data folder.

        Raises: InvalidInput for an unknown job or format, or for one that has no place for what was found;
        MediaError when the format counts frames and the video does not say how many a second it has;
        OutOfSpace.
        """
        counts_frames = exports.known_format(format).counts_frames
        material = self._material(known_job(self._store, job_id), counts_frames)
        with storage_said():
            return exports.export(material, format, self._store.folder / "exports")

    def save_beside(self, job_id: str, overwrite: bool = False) -> Path:
        """Put the `.AI.json` of a job beside its video; gives the file.

        A file that Haven did not write, or that somebody changed, is replaced only with `overwrite`.
        Raises: FileInTheWay; InvalidInput for an unknown job, or for a video that has no place beside it;
        MediaError when the video is not the one that was analysed any more; OutOfSpace.
        """
        if not isinstance(overwrite, bool):
            raise InvalidInput(f"overwrite must be true or false, not {overwrite!r:.80}.")
        job = known_job(self._store, job_id)
        material = self._material(job, counts_frames=False)
        beside.check_video(material)
        check_unchanged(job, self._store, CancelToken())
        key = beside.key(beside.place_beside(material.video))
        with storage_said():
            place, written = beside.write_beside(material, self._store.setting(key, ""), overwrite)
            self._store.set_setting(key, written)
        return place

    def read_spans(self, file: Path) -> exports.ReadSpans:
        """The time spans in a `.AI.json`, of Haven or of another tagger. Raises: InvalidInput."""
        return exports.read_spans(file)

    def _material(self, job: JobRecord, counts_frames: bool) -> exports.Material:
        return exports.Material(
            result=self._result(job.id),
            video=Path(job.video_path),
            interval_us=int(job.sampling["step_us"]),
            uploaded=job.uploaded,
            rate=_rate(job) if counts_frames else None,
            categories={tag: known.get("category", "") for tag, known in job.tag_details.items()},
            thresholds=self._findings.thresholds(job.id, job.tags),
            asked=self._asked(job),
        )

    def _asked(self, job: JobRecord) -> dict[str, Any]:
        """What the results came from: questions, model, pictures, rules, and what people corrected.

        Times are in seconds.
        """
        about = [vars(tag) for tag in with_details(job.tags, job.tag_details)]
        corrections = self._findings.corrections(job)
        return {
            "asked": {"tags": about, "prompt": job.prompt, "codes": job.codes, "summary": job.summarise},
            "prompt_sha256": job.prompt_sha256,
            "model": {"digest": job.digest, "load_options": dict(job.load_options)},
            "sampling": _sampling(job),
            "span_settings": self._findings.settings(job.id).as_dict(),
            "corrections": tuple(
                {"tag": one.tag, "old": _stretch(one.old), "new": _stretch(one.new)} for one in corrections
            ),
            "content": {"bytes": job.video_size, "sha256": self._findings.known_content(job)},
        }


def _sampling(job: JobRecord) -> dict[str, Any]:
    """As the options of an analysis name it; `step` is the interval that `max_frames` left of it."""
    sampling = Sampling.from_dict(job.sampling)
    return {
        "mode": sampling.mode,
        "interval": float(sampling.interval),
        "step": seconds(job.sampling["step_us"]),
        "start": seconds(sampling.start_us),
        "end": None if sampling.end_us is None else seconds(sampling.end_us),
        "max_frames": sampling.max_frames,
        "times": [seconds(time_us) for time_us in sampling.times_us],
        "reuse": sampling.reuse,
        "refine": sampling.refine,
        "votes": sampling.votes,
    }


def _stretch(stretch: Stretch | None) -> list[float] | None:
    return None if stretch is None else [seconds(stretch[0]), seconds(stretch[1])]


def _rate(job: JobRecord) -> Fraction | None:
    """Pictures a second of a job's video; None where the file does not say. Raises: MediaError."""
    try:
        return probe(job.video_path).rate
    except MediaError as error:
        raise MediaError(
            f"This format counts frames, and the video that says how many a second there are cannot be read: "
            f"{error}"
        ) from error
