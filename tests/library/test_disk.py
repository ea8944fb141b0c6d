"""What pictures and uploads take of the disk, and clearing them."""

import os
import threading

import pytest

from engine.errors import InvalidInput
from engine.video.request import AnalysisRequest
from tests.running import WAIT, until
from tests.watching import put, settled, watched


def test_pictures_uploads_and_previews_are_counted_and_cleared(engine, clips, films, tmp_path):
    video = put(clips, "red.mp4", films)
    watched(engine, films)
    file = settled(engine, red_mp4="done")["red.mp4"]
    engine._thumbnails.flush()
    upload = engine._store.folder / "videos" / "left.mp4"
    upload.parent.mkdir(exist_ok=True)
    upload.write_bytes(b"x" * 1000)
    engine.previews.begin(video)
    copy = until(lambda: engine.previews.file(video), lambda place: place is not None)
    before = engine.library.disk_now()
    assert before.previews == copy.stat().st_size > 0
    assert before.thumbnails > 0 and before.uploads == 1000 and before.free > 0
    assert engine.library.clear_disk("thumbnails").thumbnails == 0
    assert engine.library.clear_disk("uploads").uploads == 0
    assert engine.library.disk_now().previews == before.previews, "only what was said is cleared"
    assert engine.library.clear_disk("previews").previews == 0
    assert engine.previews.file(video) is None and engine.previews.view(video).state == "none"
    assert engine.library.disk() == engine.library.disk(), "it is not counted at every question"
    assert len(engine.frames(file.job.job_id)) == 3
    with pytest.raises(InvalidInput, match="thumbnails or uploads or previews"):
        engine.library.clear_disk("answers")


def test_what_an_analysis_still_needs_is_not_cleared(queue, engine):
    running = queue.queue().jobs[0].job_id
    until(lambda: engine.job(running).frames_done, lambda frames: frames > 3)
    queue.pause_all()
    until(lambda: engine.job(running).status, lambda status: status == "paused")
    engine._thumbnails.flush()
    assert engine.library.clear_disk("thumbnails").thumbnails > 0
    queue.cancel_all()
    assert engine.library.clear_disk("thumbnails").thumbnails == 0


def test_an_upload_that_an_analysis_is_just_made_of_is_not_cleared(engine, clips):
    """The analysis is made while it is being cleared: whichever comes first, the other sees it."""
    put(clips, "long.mp4", engine._store.folder / "videos", "kept.mp4")
    kept = (engine._store.folder / "videos" / "kept.mp4").resolve()
    job = engine.submit_video(AnalysisRequest.of(kept, "mostly red", interval=0.04))
    engine.pause_job(job.job_id)
    until(lambda: engine.job(job.job_id).status, lambda status: status == "paused")
    engine.cancel_job(job.job_id)
    clearing = threading.Thread(target=engine.library.clear_disk, args=("uploads",))
    with engine._jobs.files:
        clearing.start()
        clearing.join(0.2)
        engine._store.move_job(job.job_id, ("cancelled",), "paused")
    clearing.join(WAIT)
    assert kept.exists()
    engine.cancel_job(job.job_id)
    engine.library.clear_disk("uploads")
    assert not kept.exists()


def test_what_a_killed_process_left_half_written_is_cleared(engine):
    folder = engine._store.folder
    left = (folder / "videos" / "a.partial", folder / "previews" / "a.7.part")
    for place in (*left, folder / "previews" / "b.7.part"):
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"x")
    os.utime(left[1], ns=(1, 1))
    engine.library.clear_disk("uploads")
    engine.library.clear_disk("previews")
    assert not any(place.exists() for place in left)
    assert (folder / "previews" / "b.7.part").exists(), "it is being written"
