"""The built-in provider, on pictures whose truth is known because the test made them."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.backends.base import Finished, Frame, FrameTask, Message, TextDelta
from engine.backends.builtin import BuiltinBackend, BuiltinProvider
from engine.backends.codes import Code
from engine.backends.colours import NAMES, colour_name, colour_shares
from engine.backends.scene import Measurer
from engine.backends.scene_tags import VOCABULARY, Ramp, answer_tag
from engine.cancel import CancelToken
from engine.errors import Cancelled, InvalidInput, ModelError
from engine.settings import GenerationSettings, LoadOptions

ROOT = Path(__file__).parent.parent
NO_CODES = tuple(tag for tag in VOCABULARY if not tag.endswith(" code"))


def plain(colour=(128, 128, 128), width=320, height=180):
    return np.full((height, width, 3), colour, np.uint8)


def noise(seed=0, low=0, high=255, width=320, height=180):
    return np.random.default_rng(seed).integers(low, high + 1, (height, width, 3), dtype=np.uint8)


def checkers(size=8, dark=0, light=255, width=320, height=180):
    rows, columns = np.indices((height, width))
    luma = np.where((rows // size + columns // size) % 2, light, dark).astype(np.uint8)
    return np.repeat(luma[..., None], 3, axis=2)


def with_box(picture, left, colour=(255, 255, 255), side=40):
    drawn = picture.copy()
    drawn[60 : 60 + side, left : left + side] = colour
    return drawn


def look(picture, previous=None, tags=NO_CODES, prompt="", codes=False):
    task = FrameTask(tuple(tags), prompt, codes=codes)
    (answer,) = BuiltinBackend().look([Frame(0, 0, picture, previous)], task, CancelToken())
    return answer


def holds(answer):
    return {tag for tag, value in answer.tags.items() if value is not None and value >= 0.5}


# colours

CSS = {
    "black": "000000 0a0a0a 111118",
    "white": "ffffff f5f5f5 fffafa f0ffff f5f5dc faf0e6",
    "grey": "808080 a9a9a9 c0c0c0 696969 d3d3d3 404040",
    "red": "ff0000 8b0000 dc143c b22222 cd5c5c ff4030 800000",
    "orange": "ffa500 ff8c00 ff6a00 ffa07a f4a460",
    "yellow": "ffff00 ffd700 f0e68c fffacd eedc32",
    "green": "008000 00ff00 228b22 2e8b57 90ee90 556b2f 32cd32 00ff7f 004000",
    "blue": "0000ff 000080 4169e1 87ceeb 1e90ff 00ffff 008080 add8e6 4682b4 191970",
    "purple": "800080 4b0082 8a2be2 9400d3 9370db 663399 ff00ff",
    "pink": "ffc0cb ff69b4 ff1493 ffb6c1 db7093",
    "brown": "8b4513 a0522d 654321 d2b48c cd853f 5c4033 b8860b",
}


@pytest.mark.parametrize(
    ("colour", "name"), [(code, name) for name, codes in CSS.items() for code in codes.split()]
)
def test_colours_have_the_names_that_people_give_them(colour, name):
    assert colour_name(*bytes.fromhex(colour)) == name


def test_every_colour_has_exactly_one_name():
    steps = np.arange(0, 256, 5, dtype=np.uint8)
    every = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(1, -1, 3)
    shares = colour_shares(every)
    assert set(shares) == set(NAMES)
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(("name", "colour"), [(name, codes.split()[0]) for name, codes in CSS.items()])
def test_a_picture_that_is_mostly_one_colour_says_so_and_of_no_other(name, colour):
    picture = plain((90, 120, 200) if name != "blue" else (200, 30, 30))
    picture[:, :256] = tuple(bytes.fromhex(colour))
    answer = look(picture)
    mostly = {tag for tag in holds(answer) if tag.startswith("mostly")}
    assert mostly == {f"mostly {name}"}
    assert next(iter(answer.facts["colours"])) == name
    assert answer.facts["colours"][name] == pytest.approx(0.8, abs=0.01)


def test_half_a_picture_is_where_mostly_begins():
    picture = plain((255, 0, 0))
    picture[:, 160:] = (0, 0, 255)
    answer = look(picture, tags=["mostly red", "mostly blue", "mostly green"])
    assert answer.tags == {"mostly red": 0.5, "mostly blue": 0.5, "mostly green": 0.0}


# light, contrast, sharpness, colour


@pytest.mark.parametrize(
    ("name", "picture", "expected", "excluded"),
    [
        ("black", plain((0, 0, 0)), {"dark", "black frame", "mostly black"}, {"bright", "blurry", "sharp"}),
        ("white", plain((255, 255, 255)), {"bright", "grey", "mostly white"}, {"dark", "black frame"}),
        ("blue", plain((0, 0, 255)), {"dark", "colourful", "mostly blue"}, {"grey", "bright", "black frame"}),
        ("fine checkers", checkers(4), {"sharp", "grey"}, {"blurry", "dark", "bright", "low contrast"}),
        ("faint", checkers(20, 120, 136), {"low contrast"}, {"sharp", "dark"}),
        ("dim but not black", plain((40, 40, 40)), {"dark"}, {"black frame"}),
    ],
)  # fmt: skip
def test_a_made_picture_has_the_tags_that_it_was_made_for(name, picture, expected, excluded):
    found = holds(look(picture))
    assert expected <= found
    assert not excluded & found


def test_blurring_a_picture_turns_sharp_into_blurry():
    sharp = checkers(6)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    assert "sharp" in holds(look(sharp))
    assert "blurry" in holds(look(blurred))
    assert not {"sharp"} & holds(look(blurred))


def test_a_picture_without_any_detail_is_neither_sharp_nor_blurry():
    tags = look(plain()).tags
    assert tags["sharp"] is None
    assert tags["blurry"] is None


@pytest.mark.parametrize(
    ("tag", "pictures"),
    [
        ("bright", [plain((level,) * 3) for level in range(0, 256, 15)]),
        ("black frame", [with_box(plain((0, 0, 0)), 0, side=side) for side in (60, 40, 20, 10, 0)]),
        ("low contrast", [checkers(20, 128 - step, 128 + step) for step in range(120, -1, -8)]),
        ("sharp", [cv2.GaussianBlur(checkers(6), (0, 0), sigma) for sigma in (3, 2, 1.5, 1, 0.7, 0.4)]),
        ("colourful", [plain((128 + step, 128, 128 - step)) for step in range(7, 128, 8)]),
    ],
)  # fmt: skip
def test_a_ramp_rises_with_what_it_measures_from_no_to_yes(tag, pictures):
    values = [look(picture, tags=[tag]).tags[tag] for picture in pictures]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] == 1


@pytest.mark.parametrize(("zero", "one"), [(0.2, 0.6), (0.6, 0.2)])
def test_a_ramp_is_half_way_at_its_middle_and_ends_at_its_ends(zero, one):
    ramp = Ramp(zero, one)
    assert [ramp(zero), ramp(0.4), ramp(one)] == [0, 0.5, 1]
    assert ramp(zero - (one - zero)) == 0
    assert ramp(one + (one - zero)) == 1


# change


def test_in_the_first_frame_change_is_unknown_and_nothing_was_cut():
    answer = look(noise())
    assert {tag: answer.tags[tag] for tag in ("moving", "still", "frozen", "camera cut")} == {
        "moving": None,
        "still": None,
        "frozen": None,
        "camera cut": 0.0,
    }
    assert answer.facts["motion"] is None


CHANGES = [
    ("the same picture again", noise(1), noise(1), {"still", "frozen"}),
    ("the noise of a camera", noise(1, 100, 110), noise(2, 100, 110), {"still"}),
    ("a box that moves", with_box(checkers(40, 60, 90), 40), with_box(checkers(40, 60, 90), 200), {"moving"}),
    ("a pan", np.roll(checkers(30, 40, 200), 17, axis=1), checkers(30, 40, 200), {"moving"}),
    ("another scene", plain((200, 40, 40)), with_box(plain((30, 60, 200)), 90), {"moving", "camera cut"}),
    ("a flicker", plain((128, 128, 128)), plain((131, 131, 131)), {"still"}),
]


@pytest.mark.parametrize(("name", "previous", "picture", "expected"), CHANGES)
def test_change_is_told_from_the_sampled_picture_before(name, previous, picture, expected):
    found = holds(look(picture, previous)) & {"still", "frozen", "moving", "camera cut"}
    assert found == expected


def test_a_picture_of_another_size_before_does_no_harm():
    answer = look(plain(width=320), plain(width=200, height=300))
    assert answer.state == "answered"
    assert "still" in holds(answer)


def test_answers_do_not_depend_on_what_was_looked_at_before():
    pictures = [noise(seed) for seed in range(4)]
    frames = [
        Frame(index, index, picture, pictures[index - 1] if index else None)
        for index, picture in enumerate(pictures)
    ]
    task = FrameTask(NO_CODES, "describe")
    together = list(BuiltinBackend().look(frames, task, CancelToken()))
    alone = [next(iter(BuiltinBackend().look([frame], task, CancelToken()))) for frame in frames]
    backwards = BuiltinBackend()
    reverse = [next(iter(backwards.look([frame], task, CancelToken()))) for frame in reversed(frames)]
    assert together == alone == reverse[::-1]


def test_a_large_picture_is_not_kept_between_looks():
    measurer = Measurer()
    picture = noise(width=1280, height=720)
    before = sys.getrefcount(picture)
    measurer.measure(picture, None)
    assert sys.getrefcount(picture) == before


@pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (1, 500), (2000, 1), (641, 479), (1920, 1080), (160, 90)]
)
def test_any_size_of_picture_is_measured(width, height):
    picture = plain((255, 0, 0), width, height)
    answer = look(picture, picture)
    assert answer.facts["colours"] == {"red": 1.0}
    assert "frozen" in holds(answer)


def test_size_hardly_matters_to_what_is_measured():
    small = cv2.GaussianBlur(noise(3, width=640, height=360), (0, 0), 3)
    large = cv2.resize(small, (2560, 1440), interpolation=cv2.INTER_NEAREST)
    facts, same = look(small).facts, look(large).facts
    for name in ("brightness", "contrast", "sharpness", "colourfulness"):
        assert same[name] == pytest.approx(facts[name], rel=0.05), name


# codes

_EAN_LEFT = ["0001101", "0011001", "0010011", "0111101", "0100011"]
_EAN_LEFT += ["0110001", "0101111", "0111011", "0110111", "0001011"]
_EAN_PARITY = [
    "LLLLLL",
    "LLGLGG",
    "LLGGLG",
    "LLGGGL",
    "LGLLGG",
    "LGGLLG",
    "LGGGLL",
    "LGLGLG",
    "LGLGGL",
    "LGGLGL",
]


def ean13(digits):
    """The bars of an EAN-13 number, 1 for black (ISO/IEC 15420)."""
    flipped = [code.translate(str.maketrans("01", "10")) for code in _EAN_LEFT]
    numbers = [int(digit) for digit in digits]
    left = "".join(
        _EAN_LEFT[number] if parity == "L" else flipped[number][::-1]
        for number, parity in zip(numbers[1:7], _EAN_PARITY[numbers[0]], strict=True)
    )
    return f"101{left}01010{''.join(flipped[number] for number in numbers[7:])}101"


@pytest.fixture
def with_qr():
    code = cv2.resize(
        cv2.QRCodeEncoder.create().encode("haven"), None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST
    )
    picture = plain((255, 255, 255), 640, 360)
    picture[50 : 50 + code.shape[0], 60 : 60 + code.shape[1]] = code[..., None]
    return picture


def with_bars(width):
    picture = plain((255, 255, 255), 2 * width, width)
    bars = np.repeat([0 if bar == "1" else 255 for bar in ean13("4006381333931")], 4).astype(np.uint8)
    picture[100:260, 100 : 100 + len(bars)] = bars[:, None]
    return picture


def test_a_qr_code_is_read_when_asked_for(with_qr):
    answer = look(with_qr, tags=["qr code", "bar code"])
    assert answer.tags == {"qr code": 1.0, "bar code": 0.0}
    assert answer.facts["codes"] == [{"kind": "qr", "text": "haven"}]


@pytest.mark.parametrize("width", [640, 960])  # in the first it is so large that half the size is needed
def test_a_bar_code_is_read_when_asked_for(width):
    answer = look(with_bars(width), tags=["qr code", "bar code"])
    assert answer.tags == {"qr code": 0.0, "bar code": 1.0}
    assert answer.facts["codes"] == [{"kind": "bar", "text": "4006381333931"}]


def test_codes_alone_are_read_without_a_tag_and_go_into_the_caption(with_qr):
    answer = look(with_qr, tags=[], prompt="What is there?", codes=True)
    assert answer.facts["codes"] == [{"kind": "qr", "text": "haven"}]
    assert "QR code “haven”" in answer.caption


def test_codes_are_not_looked_for_unless_asked(with_qr):
    assert "codes" not in look(with_qr).facts


@pytest.mark.parametrize(("texts", "probability"), [([], 0), ([""], 0.4), (["", "read"], 1)])
def test_what_looks_like_a_code_but_cannot_be_read_is_rather_no(texts, probability):
    codes = [Code("bar", text) for text in texts]
    scene = Measurer().measure(plain(), None)
    assert answer_tag("bar code", scene, codes) == probability
    assert answer_tag("qr code", scene, codes) == 0


def test_noise_is_no_code():
    assert look(noise(width=640, height=360), tags=["qr code", "bar code"]).tags == {
        "qr code": 0,
        "bar code": 0,
    }


# the port


def test_every_tag_of_the_vocabulary_is_answered_in_bounds_and_as_json():
    answer = look(noise(1), noise(2), tags=VOCABULARY, prompt="?")
    assert set(answer.tags) == set(VOCABULARY)
    assert all(0 <= value <= 1 for value in answer.tags.values())
    assert json.loads(json.dumps(answer.facts)) == answer.facts


def test_tags_are_known_whatever_their_case_and_come_back_as_they_were_asked():
    assert look(plain((0, 0, 0)), tags=["Dark", "MOSTLY Black"]).tags == {"Dark": 1.0, "MOSTLY Black": 1.0}


def test_a_tag_that_it_cannot_answer_fails_by_name_and_is_never_absent():
    answer = look(plain(), tags=["dark", "boat"])
    assert answer.state == "failed"
    assert "'boat'" in answer.error
    assert "mostly blue" in answer.error
    assert answer.tags == {}


@pytest.mark.parametrize(
    ("picture", "previous", "caption"),
    [
        (plain((0, 0, 255)), None, "Mostly blue, dark, low contrast."),
        (plain((0, 0, 0)), plain((0, 0, 0)), "Black frame; frozen."),
        (with_box(checkers(4), 0, side=100), plain((0, 0, 0)), "Mostly white, sharp; camera cut."),
    ],
)
def test_a_prompt_gets_a_line_on_what_was_measured(picture, previous, caption):
    assert look(picture, previous, prompt="Is there a boat?").caption == caption
    assert look(picture, previous).caption == ""


def test_cancelling_stops_between_frames_and_keeps_what_was_answered():
    cancel = CancelToken()
    answers = BuiltinBackend().look([Frame(n, n, plain()) for n in range(3)], FrameTask(("dark",)), cancel)
    assert next(answers).state == "answered"
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(answers)


def test_in_the_chat_it_says_what_it_is_and_what_to_pick_instead():
    said = list(BuiltinBackend().stream([Message("user", "Hello")], GenerationSettings(), CancelToken()))
    assert isinstance(said[0], TextDelta)
    assert "not a language model" in said[0].text
    assert isinstance(said[-1], Finished)
    assert said[-1].reason == "stop"


def test_a_chat_that_was_cancelled_says_nothing():
    cancel = CancelToken()
    cancel.cancel()
    (only,) = BuiltinBackend().stream([], GenerationSettings(), cancel)
    assert only.reason == "cancelled"


def test_the_provider_lists_validates_and_loads_its_one_model(tmp_path):
    provider = BuiltinProvider()
    assert provider.unavailable() == ""
    (entry,) = provider.models(tmp_path)
    plan = provider.validate(entry, LoadOptions())
    steps = []
    backend = provider.load(entry, LoadOptions(), lambda share, what: steps.append(share), CancelToken())
    backend.warm_up(CancelToken())
    assert steps[-1] == 1.0
    assert backend.info.digest == plan.digest
    assert backend.info.tag_vocabulary == VOCABULARY
    backend.close()


def test_options_and_other_models_are_refused_by_name(tmp_path):
    provider = BuiltinProvider()
    (entry,) = provider.models(tmp_path)
    with pytest.raises(InvalidInput, match="dtype"):
        provider.validate(entry, LoadOptions(dtype="float32"))
    with pytest.raises(ModelError, match="other"):
        provider.validate(type(entry)("other", "builtin", True, 0), LoadOptions())


def test_opencv_is_not_imported_before_the_first_picture():
    command = (
        "import sys; from engine.backends.builtin import BuiltinBackend, BuiltinProvider;"
        "BuiltinProvider().unavailable(); BuiltinBackend().info; sys.exit('cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", command], cwd=ROOT, timeout=60).returncode == 0
