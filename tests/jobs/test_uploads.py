"""Uploads: kept under their hash, read once, and removed with the last job that is about them."""

import shutil
from pathlib import Path

from engine.jobs import videos
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
    house.runner._uploads.submit(lambda: None).result(WAIT)  # behind the hash of the file
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
    house = House(tmp_path / "data")
    job = house.store.job(house.submit(clip, uploaded=True))
    house.close()
    (tmp_path / "data").rename(tmp_path / "moved")
    again = House(tmp_path / "moved")
    try:
        again.runner.start()
        assert (tmp_path / "moved" / "videos" / Path(job.video_path).name).is_file()
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
