"""What the providers share that speak to servers: reading replies, estimating, addresses, looking."""

import json
import math
import threading

import numpy as np
import pytest

from engine.backends.base import Message
from engine.backends.remote.lines import Address, is_loopback
from engine.backends.remote.pictures import LONGEST_SIDE, jpeg
from engine.backends.remote.reach import Reach, why_not
from engine.backends.remote.replies import odds_of_yes, said_yes, schema_of, stated_tags
from engine.backends.remote.talk import TokenOdds
from engine.backends.remote.tokens import TokenEstimate
from tests.fixtures.colours import COLOURS
from tests.fixtures.loopback import Loopback
from tests.fixtures.seeing import colour_of

# what a model wrote


def odds(**probabilities):
    return TokenOdds(next(iter(probabilities)), tuple((t, math.log(p)) for t, p in probabilities.items()))


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([odds(Yes=0.9, No=0.1)], 0.9),
        ([odds(Yes=0.4, yes=0.2, No=0.2)], 0.75),
        ([TokenOdds(" yes", ((" yes", math.log(0.6)), ("▁No", math.log(0.2))))], 0.75),
        ([TokenOdds('"', (('"', 0.0),)), odds(No=0.8, Yes=0.2)], 0.2),
        ([odds(y=0.3, n=0.1)], 0.75),
        ([odds(Yes=0.5)], 1.0),
        ([odds(The=0.9, Yes=0.001)], None),
        ([odds(Not=0.9, Now=0.1)], None),
        ([], None),
    ],
)
def test_the_probability_of_yes_is_its_share_of_yes_and_no(places, expected):
    found = odds_of_yes(places)
    assert (None if found is None else found.yes) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("places", "yes", "doubtful"),
    [
        ([odds(Yes=0.9, No=0.1)], 0.9, False),
        ([odds(The=0.988, Yes=0.011, No=0.001)], 11 / 12, True),
        ([odds(The=0.988, Yes=0.011, No=0.001), odds(No=0.8, Yes=0.2)], 0.2, False),
        ([odds(The=0.988, Yes=0.011, No=0.001), odds(No=0.3, Yes=0.1)], 0.25, True),
        ([odds(No=0.8, Yes=0.2), odds(Yes=1.0)], 0.2, False),
    ],
)
def test_a_model_that_was_about_to_say_something_else_is_in_doubt(places, yes, doubtful):
    found = odds_of_yes(places)
    assert (found.yes, found.doubtful) == (pytest.approx(yes), doubtful)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Yes.", 1),
        ("no", 0),
        ("Well, no: there is a cat", 0),
        ("True", 1),
        ("No, there is no dog; yes, I am sure.", 0),
        ("I think yes", 1),
        ("There is no dog in it", 0),
        ("No doubt, yes.", 1),
        ("No doubt.", None),
        ("I have no idea", None),
        ("I cannot say yes or no", None),
        ("Yes/no questions are hard", None),
        ("Yes or no: no", 0),
        ("That is not true", None),
        ("It might be yes and it might be no", None),
        ("nothing there", None),
        ("", None),
    ],
)
def test_a_plain_answer_is_yes_or_no_or_unknown(text, expected):
    assert said_yes(text) == expected


TAGS = ("red car", "a dog", "x*(y)")
STATED = [
    ('{"red car": true, "a dog": false, "x*(y)": true}', (1, 0, 1)),
    ('Sure!\n```json\n{"Red car": "yes", "A DOG": "No", "x*(y)": 0.25}\n```', (1, 0, 0.25)),
    ("- red car: yes\n- **a dog**: NO\n* `x*(y)` - true", (1, 0, 1)),
    ('{"red car": true, "a dog": fal', (1, None, None)),
    ('{"red car": "maybe", "a dog": null, "x*(y)": 7}', (None, None, None)),
    ('{"red car": false, "other": true}', (0, None, None)),
    ("infrared car: yes", (None, None, None)),
    ("I see a red car.", (None, None, None)),
    ('{"red car": ' * 50_000, (None, None, None)),
    ('{"answers": {"red car": true, "a dog": false}}', (1, 0, None)),
    ('{"red car": true} {"a dog": false}', (1, 0, None)),
    ("red car: yes, a dog: no; x*(y): yes.", (1, 0, 1)),
    ("1. red car: yes (on the left)\n2. **a dog:** no\n3) 'x*(y)' = TRUE!", (1, 0, 1)),
    ("red car: yes or no\na dog: no idea\nx*(y): yes/no", (None, None, None)),
    ("a dog - no collar: yes", (None, None, None)),
    ("red car: yes\r\na dog: no\r\nx*(y): true\r\n", (1, 0, 1)),
    ("", (None, None, None)),
]


@pytest.mark.parametrize(("text", "expected"), STATED, ids=range(len(STATED)))
def test_tags_are_read_strictly_then_leniently_and_none_is_invented(text, expected):
    assert tuple(stated_tags(text, TAGS).values()) == expected


# what is said of another tag, in whose name the letters of this one stand
OTHERS = [
    ('{"hot dog": true}', (None, 1)),
    ('{"hot dog": false}', (None, 0)),
    ('{"no dog": true}', (None, None)),
    ('{"dog": "?", "hot dog": "dog: yes"}', (None, None)),
    ('{"answers": {"hot dog": true}}', (None, 1)),
    ('{"hot dog": {"dog": true}}', (None, None)),
    ('{"hot dog": true, "dog": ', (None, 1)),
    ("hot dog: yes", (None, 1)),
    ("- hot dog: yes\n- dog: no", (0, 1)),
    ("hot dog: yes, dog: no", (0, 1)),
    ("no dog: true", (None, None)),
    ("dog and cat: yes", (None, None)),
    ("big, dog: yes", (None, None)),
    ("St. dog: yes", (None, None)),
    ("A dog, hot dog - yes", (None, None)),
]


@pytest.mark.parametrize(("text", "expected"), OTHERS, ids=range(len(OTHERS)))
def test_no_tag_gets_the_answer_of_another(text, expected):
    assert tuple(stated_tags(text, ("dog", "hot dog")).values()) == expected


def test_the_schema_asks_for_every_tag_and_nothing_else():
    schema = schema_of(TAGS)
    assert tuple(schema["properties"]) == tuple(schema["required"]) == TAGS
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


# pictures


@pytest.mark.parametrize("colour", COLOURS)
def test_a_picture_keeps_its_colour_on_the_way(colour):
    assert colour_of(jpeg(np.full((60, 80, 3), COLOURS[colour], np.uint8))) == colour


@pytest.mark.parametrize(
    ("shape", "sent"),
    [((3000, 1500), (1536, 768)), ((1, 9000), (1, 1536)), ((1, 1), (1, 1)), ((9, 7), (9, 7))],
)
def test_a_picture_is_sent_no_larger_than_a_model_makes_use_of(shape, sent):
    import cv2

    encoded = np.frombuffer(jpeg(np.zeros((*shape, 3), np.uint8)), np.uint8)
    assert cv2.imdecode(encoded, cv2.IMREAD_COLOR).shape[:2] == sent
    assert max(sent) <= LONGEST_SIDE


# counting tokens


def said(characters, pictures=0):
    return [Message("user", "x" * characters, (np.zeros((4, 4, 3), np.uint8),) * pictures)]


def test_tokens_are_estimated_from_characters_messages_and_pictures():
    estimate = TokenEstimate()
    assert [estimate.of(said(n)) for n in (0, 4, 5)] == [4, 5, 6]
    assert estimate.of(said(0, pictures=2)) - estimate.of(said(0)) == 2048


def test_a_server_that_counts_more_makes_the_estimate_more_careful_and_never_less():
    estimate = TokenEstimate()
    estimate.learn(said(1000), 4 + 500)
    assert estimate.of(said(1000)) == 504
    estimate.learn(said(1000), 4 + 10)  # it counts only what it had not in its cache
    estimate.learn(said(5), 300)  # mostly the template
    estimate.learn(said(1000, pictures=1), 5000)
    assert estimate.of(said(1000)) == 504


# addresses


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://127.3.2.1", True),
        ("http://[::1]:80/v1", True),
        ("http://localhost:8080/v1", True),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://192.168.1.2", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_loopback_is_told_from_other_addresses(url, loopback):
    assert is_loopback(url) is loopback


def test_a_key_is_not_shown_with_its_address():
    assert "secret" not in repr(Address("http://127.0.0.1", key="secret"))


# looking whether a server answers


def test_a_look_is_kept_and_the_next_one_is_made_after_a_while():
    looks = []
    for kept, expected in ((1000.0, [1, 1]), (0.0, [2, 3])):
        reach = Reach(patience=10, kept=kept)
        found = [reach.ask("there", lambda: looks.append(1) or len(looks), -1) for _ in range(2)]
        assert found == expected


def test_a_slow_look_is_not_waited_for_and_its_finding_is_there_later():
    reach, go, done = Reach(patience=0.01, kept=1000), threading.Event(), threading.Event()

    def look():
        assert go.wait(20)
        done.set()
        return "found"

    assert reach.ask("there", look, "not yet") == "not yet"
    assert reach.ask("there", look, "not yet") == "not yet"
    go.set()
    assert done.wait(20)
    patient = Reach(patience=20)
    patient._under_way, patient._last = reach._under_way, reach._last
    assert patient.ask("there", look, "not yet") == "found"


def test_several_servers_are_looked_at_side_by_side():
    together = threading.Barrier(3)
    looks = dict.fromkeys("abc", lambda: together.wait(20) >= 0)
    assert Reach(patience=20).ask_all(looks, lambda late: False) == dict.fromkeys("abc", True)


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (200, "{}", "application/json", ""),
        (200, "<html>", "text/html", "web page"),
        (200, "pong", "text/plain", "not its protocol"),
        (401, '{"detail": "who are you"}', "application/json", "who are you"),
        (500, "boom", "text/plain", "boom"),
    ],
)
def test_why_a_server_is_of_no_use(status, body, kind, reason):
    with Loopback(lambda exchange, asked: exchange.whole(status, body, kind)) as server:
        told = why_not(Address(server.url), "models")
        assert [asked.path for asked in server.asked] == ["/models"]
    assert (reason in told) if reason else (told == "")


def test_a_server_that_is_not_there_is_told_as_its_address_says():
    with Loopback(lambda exchange, asked: None) as server:
        url = server.url
    assert why_not(Address(url, not_there="Start it."), "x") == "Start it."
