"""Uploads: kept under their hash, read once, and removed with the last job that is about them."""

import shutil
from pathlib import Path

from engine.jobs import videos
from engine.library.disk import Disk
from tests.fixtures.videos import constant, numbered_video
from tests.held import WAIT, House


def test_an_upload_is_kept_under_its_hash_and_goes_with_its_last_job(house, clip, tmp_path):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    jobs = [house.submit(upload, uploaded=True) for _ in range(2)]
    kept = [Path(house.wait_for(job_id, "completed").video_path) for job_id in jobs]
    assert kept[0] == kept[1] and kept[0].parent == house.store.folder / "videos"
    assert kept[0].stem == house.store.job(jobs[0]).video_sha256 and len(kept[0].stem) == 64
    upload.unlink()
    house.runner.delete(jobs[0])
    assert kept[0].is_file()
    house.runner.delete(jobs[1])
    assert not kept[0].exists()


def test_an_upload_is_read_before_anybody_asks_about_it(house, clip, tmp_path, monkeypatch):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    house.runner.expect_upload(upload)
    house.runner._hashing._uploads.submit(lambda: None).result(WAIT)  # behind the hash of the file
    monkeypatch.setattr(videos, "hashlib", None)  # a second reading would fail
    house.wait_for(house.submit(upload, uploaded=True), "completed")


def test_an_upload_that_was_kept_is_not_read_again(house, clip, tmp_path, monkeypatch):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    first = house.submit(upload, uploaded=True)
    house.wait_for(first, "completed")
    monkeypatch.setattr(videos, "hashlib", None)  # a second reading would fail
    house.wait_for(house.submit(upload, uploaded=True), "completed")
    house.wait_for(house.submit(Path(house.store.job(first).video_path)), "completed")


def test_the_hash_of_an_upload_is_known_before_its_job_can_begin(house, clip, tmp_path, monkeypatch):
    add_job, known = house.store.add_job, []

    def add(job):
        known.append(videos.known_sha256(Path(job.video_path), house.store))
        add_job(job)

    monkeypatch.setattr(house.store, "add_job", add)
    job_id = house.submit(Path(shutil.copy2(clip, tmp_path / "upload.mp4")), uploaded=True)
    assert known == [house.store.job(job_id).video_sha256]


def test_uploads_that_no_job_is_about_are_removed_at_the_start(tmp_path, clip):
    """As a process that ended between the job and its upload leaves one."""
    house = House(tmp_path / "data")
    uploads = [tmp_path / name for name in ("kept.mp4", "left.mp4")]
    for number, upload in enumerate(uploads, 3):
        numbered_video(upload, constant(number, 10))
    stays, left = (house.store.job(house.submit(upload, uploaded=True)) for upload in uploads)
    partial = Path(left.video_path).with_name(f"{'0' * 32}.partial")
    another = partial.with_name("of somebody else.mp4")
    for place in (partial, another):
        place.write_bytes(b"x")
    house.store.delete_job(left.id)
    house.close()
    again = House(tmp_path / "data")
    again.runner.start()
    try:
        assert sorted(partial.parent.iterdir()) == sorted([Path(stays.video_path), another])
        again.wait_for(stays.id, "completed")
    finally:
        again.close()


def test_a_data_folder_that_was_moved_keeps_its_uploads(tmp_path, clip):
    """Analyses of them go on, they are not cleared while that is to be, and go with the last one."""
    house = House(tmp_path / "data")
    jobs = [house.submit(clip, uploaded=True) for _ in range(2)]
    for job_id in jobs:
        house.runner.pause(job_id)
    before = Path(house.store.job(jobs[0]).video_path)
    house.close()
    (tmp_path / "data").rename(tmp_path / "moved")
    kept = tmp_path / "moved" / "videos" / before.name
    again = House(tmp_path / "moved")
    disk = Disk(again.store, again.runner.files)
    try:
        again.runner.start()
        assert disk.clear("uploads").uploads == kept.stat().st_size
        again.runner.resume(jobs[0])
        assert Path(again.wait_for(jobs[0], "completed").video_path) == kept
        again.runner.delete(jobs[0])
        assert kept.is_file()
        again.runner.delete(jobs[1])
        assert not kept.exists()
    finally:
        disk.close()
        again.close()


def test_a_copy_of_a_data_folder_has_uploads_of_its_own(tmp_path, clip):
    house = House(tmp_path / "data")
    job_id = house.submit(clip, uploaded=True)
    house.runner.pause(job_id)
    house.close()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    first, second = (tmp_path / name / "videos" for name in ("data", "copy"))
    again = House(tmp_path / "copy")
    try:
        again.runner.start()
        again.runner.delete(job_id)
        assert len(list(first.iterdir())) == 1 and not list(second.iterdir())
    finally:
        again.close()


def test_an_upload_that_is_gone_before_it_is_read_harms_nothing(house, clip, tmp_path):
    house.runner.expect_upload(tmp_path / "gone.mp4")
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    house.wait_for(house.submit(upload, uploaded=True), "completed")


def test_an_upload_that_is_analysed_again_from_where_it_is_kept_goes_with_its_last_job_too(
    house, clip, tmp_path
):
    upload = Path(shutil.copy2(clip, tmp_path / "upload.mp4"))
    first = house.submit(upload, uploaded=True)
    kept = Path(house.wait_for(first, "completed").video_path)
    second = house.submit(kept)
    house.wait_for(second, "completed")
    house.runner.delete(first)
    assert kept.is_file()
    house.runner.delete(second)
    assert not kept.exists()
