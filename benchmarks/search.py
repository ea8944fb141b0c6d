"""10,000 videos and 1,000,000 frame answers: how long a page, a search and a timeline take.

And the Library tab over as many files: a page of it, and a search in it, which it repeats at every tick.

The answers are made up and written straight into the tables, by the schema's own statements and triggers;
what is timed goes through the engine, as a page does. Wanted: under 200 ms at the 95th percentile. The time
of a processor is given beside, since that says what a search costs when other programs run as well.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.record import quantile, save
from engine.engine import Engine
from engine.events.findings import SearchHit
from storage.library import Seen
from storage.records import FrameRecord, JobRecord
from storage.rows import frame_row
from storage.search import note_tags
from storage.store import Store
from storage.tables import dumps
from ui import follow, library_follow, spans

VIDEOS, FRAMES = 10_000, 100  # frames of each video
ROUNDS = 200
WANTED_MS = 200
TAGS = ("dog", "cat", "boat", "red sign", "person", "guide dog")
SCENES = ("lake", "street", "kitchen", "forest", "harbour", "meadow", "station", "stage", "market", "office")
ACTS = ("runs", "sleeps", "waits", "turns", "jumps", "talks", "eats", "leaves", "smiles", "falls")
QUERIES = (
    "where was the dog?",
    "boat",
    "red sign",
    "a dog runs",
    "a person at the lake in frame 77",
    "cat kitchen sleeps",
    "the harbour",
    "frame",
    "zebra",
    "guide dog market",
    "a dog in the kitchen at the lake in frame 5",  # no scene is both
)
LIBRARY_QUERIES = ("film 77", "dog", "guide dog", "film 9999.mp4", "red sign", "zebra", "no such video", "do")
SAMPLING = {"interval": [2, 1], "start_us": 0, "end_us": None, "max_frames": None, "step_us": 2_000_000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", type=Path, help="make the library in this folder, or use the one in it")
    given = parser.parse_args()
    quick = given.quick
    videos, rounds = (200, 20) if quick else (VIDEOS, ROUNDS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or temporary
        store = Store.open(Path(folder) / "data")
        if not store.jobs(limit=1):
            began = time.perf_counter()
            _fill(store, videos)
            _fill_library(store, videos)
            took = time.perf_counter() - began
            print(f"{videos * FRAMES:,} answers of {videos:,} videos written in {took:.0f} s")
        engine = Engine(store, Path(folder) / "models")
        try:
            figures = _measured(engine, videos, rounds)
        finally:
            engine.close()
        figures["database_mb"] = round((Path(folder) / "data" / "haven.db").stat().st_size / 1e6)
    if not quick:
        save("search", figures)


def _measured(engine: Engine, videos: int, rounds: int) -> dict:
    pick = random.Random(1)
    ids = [f"{pick.randrange(videos):032x}" for _ in range(rounds)]
    queries = [QUERIES[number % len(QUERIES)] for number in range(rounds)]
    searches = [LIBRARY_QUERIES[number % len(LIBRARY_QUERIES)] for number in range(rounds)]
    offsets = [pick.randrange(videos) // 50 * 50 for _ in range(rounds)]
    figures: dict = {"videos": videos, "answers": videos * FRAMES, "rounds": rounds}

    def page(job_id: str) -> None:
        follow.changes(engine, follow.Drawn(job_id, wants_jobs=True))

    def timeline(job_id: str) -> None:
        spans.drawn(engine.findings.spans(job_id), engine.findings.revision)

    def moved(job_id: str) -> None:
        engine.findings.set_settings(job_id, {"threshold": pick.random(), "max_gap": "1 %"})

    def found(query: str) -> list[SearchHit]:
        return engine.search.find(query, 40)

    def library_page(offset: int) -> None:
        library_follow.changes(engine, library_follow.DrawnLibrary(offset=offset))

    def library_search(query: str) -> None:
        library_follow.changes(engine, library_follow.DrawnLibrary(search=query))

    given: Sequence
    for name, call, given in (
        ("page", page, ids),
        ("search", found, queries),
        ("timeline", timeline, ids),
        ("threshold moved", moved, ids),
        ("library page", library_page, offsets),
        ("library search", library_search, searches),
    ):
        figures[name] = _figures(name, [_took(call, one) for one in given])
    figures["queries"] = {query: [round(ms, 1) for ms in _took(found, query)] for query in QUERIES}
    for query, (took, spent) in figures["queries"].items():
        print(f"  {took:8.1f} ms  {spent:8.1f} ms of a processor  {len(found(query)):3} places  {query}")
    return figures


def _figures(name: str, measured: list[tuple[float, float]]) -> dict[str, float]:
    took, spent = ([one[which] for one in measured] for which in (0, 1))
    median, late, worst = quantile(took, 0.5), quantile(took, 0.95), max(took)
    processor = quantile(spent, 0.95)
    verdict = "ok" if late < WANTED_MS else "MISSED"
    print(
        f"{name:16} median {median:7.1f} ms   95th {late:7.1f} ms   worst {worst:7.1f} ms   {verdict}   "
        f"(of a processor: 95th {processor:.1f} ms)"
    )
    return {
        "median_ms": round(median, 1),
        "p95_ms": round(late, 1),
        "worst_ms": round(worst, 1),
        "p95_processor_ms": round(processor, 1),
    }


def _took(call: Callable[..., object], *given: object) -> tuple[float, float]:
    """Milliseconds that passed, and those of a processor that this process spent."""
    began, spent = time.perf_counter(), time.process_time()
    call(*given)
    return (time.perf_counter() - began) * 1000, (time.process_time() - spent) * 1000


def _fill(store: Store, videos: int) -> None:
    """A job and its answers a video, a hundred videos in one transaction."""
    pick = random.Random(0)
    for first in range(0, videos, 100):
        jobs = [_job(number) for number in range(first, min(first + 100, videos))]
        store._write(partial(_write, store, jobs, [frame for job in jobs for frame in _frames(job, pick)]))


def _fill_library(store: Store, videos: int) -> None:
    """A file of one watched folder for each video, with what holds in it."""
    pick, library = random.Random(2), store.library
    asked = {"tags": ", ".join(TAGS), "prompt": "", "interval": 2.0, "options": {}}
    folder = library.add_folder("/films", True, "", asked, 1.0)
    for first in range(0, videos, 500):
        numbers = range(first, min(first + 500, videos))
        library.take(folder, [Seen(f"/films/film {number}.mp4", 1, 1, 1) for number in numbers], 1.0)
    ids = {file.path: file.id for file in library.files(limit=videos)}

    def analysed() -> None:
        table = store._tables.library_file
        for number in range(videos):
            found = pick.sample(TAGS, pick.randrange(len(TAGS)))
            about = {"state": "done", "job_id": f"{number:032x}", "found": found}
            table.update(**about).where(table.id == ids[f"/films/film {number}.mp4"]).execute()

    store._write(analysed)


def _write(store: Store, jobs: list[JobRecord], frames: list[FrameRecord]) -> None:
    """By the statements that keep one answer, many at a time; the counts of the jobs are right already."""
    for job in jobs:
        store._tables.job.insert(**asdict(job) | {"tags": list(job.tags)}).execute()
    connection = store._connections.database.connection()
    rows = (frame_row(frame) | {"tags": dumps(frame.tags), "facts": "{}"} for frame in frames)
    connection.executemany(store._frames._insert, [tuple(row.values()) for row in rows])
    peaks: dict[tuple[str, str], float] = {}
    for frame in frames:
        for tag, sure in frame.tags.items():
            peaks[frame.job_id, tag] = max(sure or 0.0, peaks.get((frame.job_id, tag), 0.0))
    for (job_id, tag), peak in peaks.items():
        note_tags(store._connections.database, job_id, {tag: peak})


def _job(number: int) -> JobRecord:
    return JobRecord(
        id=f"{number:032x}",
        status="completed",
        video_path=f"/films/{number}.mp4",
        video_name=f"film {number}.mp4",
        video_size=1,
        video_mtime_ns=1,
        provider="builtin",
        model="scene-facts",
        digest="made up",
        load_options={},
        tags=TAGS,
        prompt="What is here?",
        prompt_sha256="made up",
        sampling=SAMPLING,
        frames_total=FRAMES,
        frames_done=FRAMES,
        cursor_us=(FRAMES - 1) * 2_000_000,
        compute_seconds=FRAMES / 10,
        created_at=1_700_000_000.0 + number,
        video_sha256=f"{number:064x}",
        duration_us=FRAMES * 2_000_000,
    )


def _frames(job: JobRecord, pick: random.Random) -> Iterator[FrameRecord]:
    """Each tag holds in a few stretches of a few films; every caption differs from its neighbours."""
    scene = pick.choice(SCENES)
    for index in range(FRAMES):
        seen = {tag: pick.random() * (1.0 if (index // 10 + len(tag)) % 4 == 0 else 0.45) for tag in TAGS}
        what = max(seen, key=seen.__getitem__)
        caption = f"A {what} {pick.choice(ACTS)} at the {scene} in frame {index}."
        yield FrameRecord(job.id, index, index * 2_000_000, "answered", seen, caption)


if __name__ == "__main__":
    main()
