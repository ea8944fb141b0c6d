"""Figures as people read them."""

import pytest

from ui import wording


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.clock(15.2), "0:15.2"),
        (wording.clock(3723.04), "1:02:03.0"),
        (wording.clock(59.97), "1:00.0"),
        (wording.clock(59.97, 2), "0:59.97"),
        (wording.length(23.6), "0:24"),
        (wording.duration(0.44), "0.4 s"),
        (wording.duration(125), "2 min 5 s"),
        (wording.duration(4200), "1 h 10 min"),
        (wording.size(1_600_000_000), "1.6 GB"),
        (wording.size(850_000), "850 kB"),
        (wording.rate(4.21), "4.2 frames/s"),
        (wording.rate(0.1), "10.0 s a frame"),
        (wording.frames(1), "1 frame"),
        (wording.frames(12_000), "12,000 frames"),
        (wording.state("paused", "model"), "Waits for its model"),
    ],
)
def test_figures_are_said_as_people_read_them(said, expected):
    assert said == expected
