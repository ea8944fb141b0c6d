"""What a job was asked, as its engine gives it back: the same, whatever it was, and it can be asked again."""

from dataclasses import replace

import pytest

from engine.errors import InvalidInput
from engine.video.request import AnalysisRequest
from tests.fixtures.videos import colour_video
from ui.asking import Asked
from ui.house import House
from ui.stage import Staged, stage_of_job


@pytest.mark.parametrize(
    ("tags", "interval", "options"),
    [
        ('scene: dark = "no light at all", mostly blue', 0.5, {"start": 0.25, "end": 1.5, "refine": True}),
        ("dark", 2, {"times": [0.5, 1.000001], "reuse": 2.5, "codes": True}),
        ("dark", 2, {"fps": 29.97, "max_frames": 3}),
        ("dark", 2, {"mode": "shots"}),
    ],
)
def test_what_was_asked_is_asked_again_out_of_the_fields(engine, tmp_path, tags, interval, options):
    video = colour_video(tmp_path / "signal.mp4", ["red", "blue"]).path
    asked = AnalysisRequest.of(video, tags, "", interval, options, name="My film.mp4")
    first = engine.submit_video(asked).job_id
    given = engine.request(first)
    assert given == asked
    house = House(engine, tmp_path / "samples")
    opened = house.opened.get(Staged.from_json(stage_of_job(house, first).as_json()).token)
    again = engine.request(engine.submit_video(Asked.of(given).request(opened)).job_id)
    near = again.sampling.interval - given.sampling.interval
    assert abs(near) < 1e-15
    assert replace(again, sampling=given.sampling) == given
    assert replace(again.sampling, interval=given.sampling.interval) == given.sampling


def test_an_unknown_job_was_asked_nothing(engine):
    with pytest.raises(InvalidInput, match="There is no analysis"):
        engine.request("nothing")
