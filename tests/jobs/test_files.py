"""The file that a job is about: gone, replaced, or only touched."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest

from tests.fixtures.videos import constant, numbered_video
from tests.held import ALL_TIMES, FRAMES, WAIT, stopped_at_frame_4


def test_a_file_that_is_gone_is_named_and_the_job_can_be_resumed_when_it_is_back(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    away = mine.rename(tmp_path / "away.mp4")
    house.wait_for(job_id, "paused")
    house.runner.resume(job_id)
    assert "mine.mp4" in house.wait_for(job_id, "failed").error
    away.rename(mine)
    house.runner.resume(job_id)
    house.wait_for(job_id, "completed")
    assert house.times(job_id) == ALL_TIMES


def test_a_file_that_was_replaced_is_not_mixed_with_the_old_one(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    house.wait_for(job_id, "paused")
    numbered_video(mine, constant(FRAMES + 5, 10))
    house.runner.resume(job_id)
    failed = house.wait_for(job_id, "failed")
    assert "changed" in failed.error and failed.frames_done == 4


def in_its_place(video: Path) -> None:
    """Another video where that one was, of the same size and date, as a copy that keeps dates leaves it."""
    was = video.stat()
    other = numbered_video(video.with_name("other.mp4"), constant(3, 10)).path
    other.write_bytes(other.read_bytes().ljust(was.st_size, b"\0"))
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(video)
    assert (video.stat().st_size, video.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)


@pytest.mark.parametrize("uploaded", [True, False])
def test_another_file_of_the_same_size_and_date_is_known_for_another_one(house, clip, tmp_path, uploaded):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    hashes = []
    for _ in range(2):
        job_id = house.submit(mine, uploaded=uploaded)
        house.wait_for(job_id, "completed")
        house.runner._hashing._jobs.submit(lambda: None).result(WAIT)  # behind the hash of the file
        hashes.append(house.store.job(job_id).video_sha256)
        assert hashes[-1] == hashlib.sha256(mine.read_bytes()).hexdigest()
        in_its_place(mine)
    assert hashes[0] != hashes[1]


def test_a_job_does_not_go_on_with_another_file_of_the_same_size_and_date(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    house.wait_for(job_id, "paused")
    house.runner._hashing._jobs.submit(lambda: None).result(WAIT)  # behind the hash of the file
    in_its_place(mine)
    house.runner.resume(job_id)
    failed = house.wait_for(job_id, "failed")
    assert "mine.mp4 has changed since the analysis began" in failed.error and failed.frames_done == 4


def test_a_file_that_was_only_touched_is_the_same_file(house, clip, tmp_path):
    mine = Path(shutil.copy2(clip, tmp_path / "mine.mp4"))
    job_id = stopped_at_frame_4(house, mine, house.runner.pause)
    house.wait_for(job_id, "paused")
    house.runner._hashing._jobs.submit(lambda: None).result(WAIT)  # behind the hash of the file
    os.utime(mine, ns=(1, 1))
    house.runner.resume(job_id)
    house.wait_for(job_id, "completed")
