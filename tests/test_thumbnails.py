"""Thumbnails on a real disk: right picture, right size, missing at worst."""

import cv2
import numpy as np
import pytest

from storage.thumbnails import Thumbnails


@pytest.fixture
def thumbnails(tmp_path):
    made = Thumbnails(tmp_path / "thumbnails")
    yield made
    made.close()


def picture(width=64, height=36, colour=(200, 40, 10)):
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1280, 720), (320, 180)),
        ((1281, 721), (320, 180)),
        ((720, 1280), (320, 569)),
        ((100, 50), (100, 50)),
        ((640, 1), (320, 1)),
        ((400, 8000), (32, 640)),
    ],
)
def test_a_picture_is_at_most_320_wide_and_keeps_its_shape_and_colours(thumbnails, size, expected):
    thumbnails.put("a1", 5, picture(*size))
    thumbnails.flush()
    written = cv2.cvtColor(cv2.imread(str(thumbnails.path("a1", 5))), cv2.COLOR_BGR2RGB)
    assert (written.shape[1], written.shape[0]) == expected
    assert np.abs(written.astype(int) - (200, 40, 10)).max() < 6


def test_what_the_caller_does_to_the_picture_afterwards_is_not_seen(thumbnails):
    mine = picture()
    thumbnails.put("a1", 5, mine)
    mine[:] = 0
    thumbnails.flush()
    assert cv2.imread(str(thumbnails.path("a1", 5))).max() > 150


def test_only_whole_pictures_stand_in_the_folder_each_under_its_time(thumbnails):
    for number in range(100):
        thumbnails.put("a1", number * 1_000_000, picture())
    thumbnails.flush()
    names = {path.name for path in thumbnails.path("a1", 0).parent.iterdir()}
    assert names == {f"{number * 1_000_000}.jpg" for number in range(100)}


@pytest.mark.parametrize("job_id", ["", "..", "a/b", "../../etc", "A1", "a1\n", "a" * 65, "a1.jpg"])
def test_what_is_no_job_id_never_becomes_a_path(thumbnails, job_id):
    for use in (thumbnails.path, lambda job_id, _: thumbnails.delete(job_id)):
        with pytest.raises(ValueError, match="not a job id"):
            use(job_id, 0)


@pytest.mark.parametrize("time_us", ["0", "../1", 1.0, True, None])
def test_what_is_no_time_never_becomes_a_path(thumbnails, time_us):
    with pytest.raises(ValueError, match="microseconds"):
        thumbnails.path("a1", time_us)


def test_deleting_a_job_takes_its_pictures_even_those_still_waiting(thumbnails):
    for number in range(20):
        thumbnails.put("a1", number, picture())
    thumbnails.put("b2", 0, picture())
    thumbnails.delete("a1")
    thumbnails.delete("c3")
    thumbnails.flush()
    assert not thumbnails.path("a1", 0).parent.exists()
    assert thumbnails.path("b2", 0).exists()


def test_a_disk_that_takes_no_more_costs_the_picture_and_nothing_else(thumbnails, monkeypatch, caplog):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", full)
        thumbnails.put("a1", 1, picture())
        thumbnails.flush()
    assert thumbnails.failed == 1
    assert "No space left" in caplog.text
    assert list(thumbnails.path("a1", 1).parent.iterdir()) == []

    thumbnails.put("a1", 2, picture())
    thumbnails.flush()
    assert thumbnails.path("a1", 2).exists()
    assert thumbnails.lacks_room("a1"), "the first is still missing"
    assert not thumbnails.lacks_room("a2")
    thumbnails.begin("a1")
    assert not thumbnails.lacks_room("a1")


def test_closing_writes_what_is_waiting_and_can_be_done_twice(tmp_path):
    thumbnails = Thumbnails(tmp_path)
    for number in range(10):
        thumbnails.put("a1", number, picture())
    thumbnails.close()
    thumbnails.close()
    assert len(list((tmp_path / "a1").iterdir())) == 10
    with pytest.raises(RuntimeError, match="closed"):
        thumbnails.put("a1", 11, picture())
