"""Every span found and none made up, on made videos with a model that is always right.

The whole way is taken: a real file, a real store, a real run; only the answers come from the truth.
"""

from fractions import Fraction
from itertools import pairwise
from math import ceil, log2
from pathlib import Path

import pytest

from tests.fixtures.videos import Clip, numbered_video
from tests.running import Running
from tests.truth import FILM, NTSC, SETS, Oracle, Truth, truth

INTERVAL = 0.5  # seconds
TICK = 12e-6  # of the files' clocks, in seconds

every_set = pytest.mark.parametrize("name", SETS)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Truth]:
    folder = tmp_path_factory.mktemp("truth")
    return {name: truth(name, folder) for name in SETS}


def analysed(folder: Path, made: Truth, **how: object):
    """The spans that were found, the questions that were asked, and the job."""
    running = Running(folder, Oracle(made.spans))
    try:
        job = running.run(made.clip.path, tags=list(made.spans), interval=INTERVAL, options=how)
        assert job.status == "completed", job.error
        return running.spans(job.id), running.backend.asked, job
    finally:
        running.close()


def longest_picture(made: Truth) -> float:
    return float(max(b - a for a, b in pairwise(made.clip.times)))


def questions_per_span(made: Truth) -> int:
    quickest = min(b - a for a, b in pairwise(made.clip.times))
    return 2 * ceil(log2(INTERVAL / quickest))


def ends_with_the_video(made: Truth, number: int) -> bool:
    return number == len(made.clip.times)


@every_set
def test_every_span_is_found_within_one_interval_and_none_is_made_up(name, videos, tmp_path):
    made = videos[name]
    found, asked, job = analysed(tmp_path / "data", made)
    slack = longest_picture(made) + TICK  # a sample has the time of the picture that is on screen
    for tag in made.spans:
        true = made.seconds(tag)
        assert len(found[tag]) == len(true), tag
        for (start, end), (truly, until) in zip(found[tag], true, strict=True):
            assert -TICK <= start - truly <= INTERVAL + slack
            assert -slack <= end - until <= INTERVAL + slack
    assert len(asked) == job.frames_done == job.frames_total, "one question for each sample"


@every_set
def test_after_refinement_every_start_and_end_is_that_of_its_picture(name, videos, tmp_path):
    made = videos[name]
    _, samples, _ = analysed(tmp_path / "plain", made)
    found, asked, job = analysed(tmp_path / "refined", made, refine=True)
    for tag, numbers in made.spans.items():
        true = made.seconds(tag)
        assert len(found[tag]) == len(true), tag
        for (start, end), (truly, until), (_, last) in zip(found[tag], true, numbers, strict=True):
            assert start == pytest.approx(truly, abs=TICK)
            exact = longest_picture(made) if ends_with_the_video(made, last) else TICK
            assert end == pytest.approx(until, abs=exact)
    spans = sum(map(len, made.spans.values()))
    assert len(asked) <= len(samples) + spans * questions_per_span(made)
    assert len(asked) == len(set(asked)) == job.frames_done == job.frames_total


@pytest.mark.parametrize("rate", [NTSC, FILM], ids=["29.97", "23.976"])
def test_after_an_hour_nothing_has_drifted(rate: Fraction, tmp_path: Path):
    """A picture every 30 s stands for the first hour, then every one of a second is there."""
    thirty, hour = round(30 * rate), round(3600 * rate)
    numbers = [*range(0, hour, thirty), *range(hour, hour + round(rate))]
    clip = numbered_video(tmp_path / "long.mp4", [number / rate for number in numbers], gop=40)
    before = len(range(0, hour, thirty))
    made = Truth(Clip(clip.path, clip.times), {"late": [(before + 7, before + 18)]})
    found, _, _ = analysed(tmp_path / "data", made, start=3590, refine=True, fps=5)
    assert found["late"] == [
        (
            pytest.approx(float((hour + 7) / rate), abs=TICK),
            pytest.approx(float((hour + 18) / rate), abs=TICK),
        )
    ]
    found, _, _ = analysed(tmp_path / "plain", made, start=3590, fps=5)
    [(start, end)] = found["late"]
    assert -TICK <= start - float((hour + 7) / rate) <= 0.2 + TICK
    assert -TICK <= end - float((hour + 18) / rate) <= 0.2 + TICK
