"""What the answers of a job add up to: spans, made as a person wants them, with what a person corrected.

Made anew from the stored answers whenever something moves; no model is asked. Corrections belong to the
video's content, so a later job about the same video has them too.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from engine.bounds import number
from engine.cancel import CancelToken
from engine.errors import InvalidInput
from engine.events.findings import SpansView
from engine.jobs.lookup import known_job
from engine.jobs.videos import sha256_of_job
from engine.jobs.views import answered, job_spans, seconds, spans_view, tag_spans
from engine.trouble import storage_said
from engine.video.corrections import Correction, Stretch, about_tag
from engine.video.span_settings import SpanSettings
from engine.video.spans import HIT_STATES, Sample, Span
from storage.records import CorrectionRecord, JobRecord
from storage.store import Store

JOBS_AT_HAND = 3  # whose answers are kept in memory
LONGEST_VIDEO = 1e9  # seconds
HUNDREDTH = 0.01  # seconds, to which people read times


@dataclass(frozen=True)
class Found:
    """The spans of a job, with what they were made of."""

    job: JobRecord
    samples: Sequence[Sample]
    spans: Sequence[Span]
    view: SpansView


class Findings:
    """Spans, their settings and their corrections. Every method may be called from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changing = threading.Lock()  # one change of settings or corrections at a time
        self._reading = threading.Lock()
        self._closing = CancelToken()
        self._at_hand: OrderedDict[str, list[Sample]] = OrderedDict()
        self._found: dict[str, tuple[tuple, Found]] = {}  # what was made last, and of what
        # Another number means that spans may differ; the time, since an open page outlives a restart.
        self.revision = int(time.time())

    def close(self) -> None:
        """Let go of a file that is being read."""
        self._closing.cancel("Haven is closing")

    def spans(self, job_id: str) -> SpansView:
        """Everything that a timeline shows. Raises: InvalidInput for an unknown job."""
        return self.found(job_id).view

    def found(self, job_id: str) -> Found:
        """The same, and what it was made of. Raises: InvalidInput for an unknown job."""
        job = known_job(self._store, job_id)
        samples, corrections = self._samples(job), self.corrections(job)
        settings = self.settings(job_id)
        made_of = job, len(samples), settings, corrections
        before, found = self._found.get(job_id, (None, None))
        if found is None or before != made_of:
            spans = job_spans(job, samples, settings, corrections)
            view = spans_view(job, samples, settings, spans, len(corrections))
            found = Found(job, samples, spans, view)
            self._keep(job_id, (made_of, found))
        return found

    def of(self, job: JobRecord, samples: Sequence[Sample]) -> list[Span]:
        """The spans of a job whose answers were read already."""
        return job_spans(job, samples, self.settings(job.id), self.corrections(job))

    def of_tag(self, job: JobRecord, tag: str, most: int) -> list[Span]:
        """The spans of one tag; read for this alone, so that jobs which are looked at stay at hand.

        Of a job with more than `most` answers only so many are read, from where the tag first holds.
        """
        settings, answers = self.settings(job.id), self._store.corrections.answers
        if job.frames_done <= most:
            samples = [answered(*row) for row in answers(job.id)]
        else:
            first = self._store.corrections.first_of_tag(job.id, tag, settings.rule(tag).threshold)
            samples = [answered(*row) for row in answers(job.id, None if first is None else first - 1, most)]
            if len(samples) == most:  # what follows is not known, so a span that reaches this far ends here
                samples[-1] = Sample(samples[-1].time_us, "not read", {})
        return tag_spans(job, tag, samples, settings, self.corrections(job))

    def settings(self, job_id: str) -> SpanSettings:
        """How the spans of a job are made."""
        return SpanSettings.from_dict(self._store.corrections.settings(job_id))

    def corrections(self, job: JobRecord) -> list[Correction]:
        """What people said about this video, in the order in which they said it."""
        sha256 = self.known_content(job)
        return [_correction(one) for one in self._store.corrections.corrections(sha256)] if sha256 else []

    def thresholds(self, job_id: str, tags: Sequence[str]) -> dict[str, float]:
        """The probability of yes from which a frame is a hit, by tag."""
        settings = self.settings(job_id)
        return {tag: settings.rule(tag).threshold for tag in tags}

    def set_settings(self, job_id: str, changes: object) -> SpansView:
        """Change some of them; gives the spans that this makes. Raises: InvalidInput, naming what is off."""
        job = known_job(self._store, job_id)
        with self._changing, storage_said():
            changed = self.settings(job_id).changed(changes, job.tags)
            self._store.corrections.set_settings(job_id, changed.as_dict(), changed.lowest)
            self.revision += 1
        return self.spans(job_id)

    def correct(self, job_id: str, tag: str, old: object = None, new: object = None) -> SpansView:
        """Say where a span really is: `old` as it stands there now, `new` as it should be, in seconds.

        Without `old` a span is added, without `new` one is deleted. One that says what the newest about this
        tag says, as after a double click, changes nothing. Reads the file's content where that was not done
        yet. Raises: InvalidInput, naming what is off.
        """
        job = known_job(self._store, job_id)
        if tag not in job.tags:
            raise InvalidInput(
                f"{tag!r:.80} was not asked for. The tags are: {', '.join(job.tags) or 'none'}."
            )
        was, now = _stretch("old", old, job), _stretch("new", new, job)
        if was is None and now is None:
            raise InvalidInput("Say which span: old as it is, new as it should be, or both.")
        sha256 = self._content(job)
        with self._changing, storage_said():
            if not self._was_said_last(job, Correction(tag, was, now)):
                if was is not None:
                    self._refuse_unknown_span(job, tag, was)
                self._store.corrections.add_correction(_record(sha256, Correction(tag, was, now)))
                self.revision += 1
            if now is not None:
                self._store.search.note_tag(job_id, tag, 1.0)
        return self.spans(job_id)

    def content(self, job: JobRecord) -> str:
        """The hash of a job's video; reads the file where that was not done yet.

        Empty where it is not there any more, or was changed.
        """
        with storage_said():
            return self.known_content(job) or sha256_of_job(job, self._store, self._closing)

    def known_content(self, job: JobRecord) -> str:
        """The same, without reading: empty where the file was not read to its end yet."""
        if job.video_sha256:
            return job.video_sha256
        return self._store.video_hash(job.video_path, job.video_size, job.video_mtime_ns) or ""

    def undo(self, job_id: str) -> SpansView:
        """Take the last correction of this video back. Raises: InvalidInput where there is none."""
        job = known_job(self._store, job_id)
        sha256 = self.known_content(job)
        with self._changing, storage_said():
            if not sha256 or not self._store.corrections.remove_last_correction(sha256):
                raise InvalidInput(f"No span of {job.video_name} was corrected: there is nothing to undo.")
            self.revision += 1
        return self.spans(job_id)

    # what the verbs are made of

    def _samples(self, job: JobRecord) -> list[Sample]:
        """All answers that are kept; only those that are new are read."""
        with self._reading:
            samples = self._at_hand.setdefault(job.id, [])
            self._at_hand.move_to_end(job.id)
            while len(self._at_hand) > JOBS_AT_HAND:
                self._at_hand.popitem(last=False)
            self._read_on(job.id, samples)
            if len(samples) < job.frames_done:  # some came between those that were there
                samples.clear()
                self._read_on(job.id, samples)
            return list(samples)

    def _keep(self, job_id: str, made: tuple[tuple, Found]) -> None:
        with self._reading:
            self._found[job_id] = made
            self._found = {known: self._found[known] for known in self._at_hand if known in self._found}

    def _read_on(self, job_id: str, samples: list[Sample]) -> None:
        while samples and samples[-1].state not in HIT_STATES:  # when a job goes on, these are asked again
            samples.pop()
        last = samples[-1].time_us if samples else None
        samples += [answered(*row) for row in self._store.corrections.answers(job_id, last)]

    def _content(self, job: JobRecord) -> str:
        sha256 = self.content(job)
        if not sha256:
            raise InvalidInput(
                f"{job.video_name} is not there any more, or was changed: a correction is kept with what is "
                "in the file. Put it back, then correct."
            )
        return sha256

    def _was_said_last(self, job: JobRecord, correction: Correction) -> bool:
        """Whether the newest correction of this tag is the same."""
        of_tag = about_tag(self.corrections(job), correction.tag)
        return bool(of_tag) and of_tag[-1] == correction

    def _refuse_unknown_span(self, job: JobRecord, tag: str, was: Stretch) -> None:
        found = self.of(job, self._samples(job))
        if was not in [(span.start_us, span.end_us) for span in found if span.tag == tag]:
            raise InvalidInput(
                f"There is no span of {tag!r} from {seconds(was[0]):g} s to {seconds(was[1]):g} s. The spans "
                "may have moved meanwhile: look again."
            )


def _stretch(name: str, given: object, job: JobRecord) -> Stretch | None:
    """Two times in seconds as microseconds, within the video. Raises: InvalidInput."""
    if given is None:
        return None
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise InvalidInput(
            f"{name} must be a start and an end in seconds, as in [1.5, 4], not {given!r:.80}."
        )
    longest = seconds(job.duration_us) if name == "new" and job.duration_us else LONGEST_VIDEO
    within = ((f"{name} {what}", _not_rounded(at, longest)) for what, at in _named(given))
    start, end = (round(number(called, at, 0, longest) * 1e6) for called, at in within)
    if end <= start:
        raise InvalidInput(f"The end ({end / 1e6:g} s) must come after the start ({start / 1e6:g} s).")
    return start, end


def _not_rounded(at: object, longest: float) -> object:
    """The end of the video, where a person wrote it as they read it: in hundredths, rounded up."""
    behind = isinstance(at, (int, float)) and longest < at < longest + HUNDREDTH
    return longest if behind else at


def _named(times: Sequence[object]) -> Sequence[tuple[str, object]]:
    return ("start", times[0]), ("end", times[1])


def _record(sha256: str, correction: Correction) -> CorrectionRecord:
    (old_start, old_end), (new_start, new_end) = (
        stretch or (None, None) for stretch in (correction.old, correction.new)
    )
    return CorrectionRecord(
        sha256, correction.tag, old_start, old_end, new_start, new_end, made_at=time.time()
    )


def _correction(record: CorrectionRecord) -> Correction:
    return Correction(
        record.tag,
        _both(record.old_start_us, record.old_end_us),
        _both(record.new_start_us, record.new_end_us),
    )


def _both(start_us: int | None, end_us: int | None) -> Stretch | None:
    return None if start_us is None or end_us is None else (start_us, end_us)
