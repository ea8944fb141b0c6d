"""What the Models tab shows and does, without a page: a fake engine in, rows and widget updates out."""

import re
import threading
from asyncio import run
from dataclasses import replace

import pytest
from fake_downloads import LARGE, SMALL

from engine.backends.base import ModelEntry
from engine.errors import InvalidInput, ModelError
from engine.events.models import DownloadView, Fit, ProviderStatus
from engine.events.switching import Status
from engine.memory import Room
from tests.running import until
from ui import download_cards, model_cards, models, wording
from ui.follow import BUSY_MS, IDLE_MS
from ui.model_cards import Listing, Weighed
from ui.models_follow import ModelsFollow, name_of

EVIL = '<img src=x onerror="alert(1)">'
WAIT = 30
BUILTIN = ProviderStatus("builtin", "Built-in (no download)", True, "")
LLAMA = ProviderStatus("llamacpp", "llama.cpp", True, "")
OLLAMA = ProviderStatus("ollama", "Ollama", True, "")
GONE = ProviderStatus("ollama", "Ollama", False, "No Ollama server answers. Start it.")
FACTS = Weighed(ModelEntry("scene-facts", "builtin", True, 0))
STATUS = Status("ready", "builtin", "scene-facts", True, 0, 1, (), "")
GETTING = DownloadView(
    "small-sees", "downloading", 412_400_000, 1_900_000_000, 12_300_000.0, 121.0, "Fetching"
)


@pytest.fixture
def follow(engine):
    return ModelsFollow(engine)


def offers(*offered, views=(), names=None, status=STATUS):
    known = {view.id: view for view in views}
    return model_cards.offers(offered, known, {"transformers": "Transformers"}, names or {}, status)


def acts(drawn):
    return re.findall(r'data-act="(\w+)"', drawn)


def parts(follow):
    return {name: html for name, (_, html) in follow.changes({})["parts"].items()}


# What is here


def test_with_nothing_but_the_builtin_model_it_is_said_what_to_do():
    drawn = model_cards.here([Listing(BUILTIN, [FACTS]), Listing(LLAMA), Listing(GONE)], STATUS, "/shelf <1>")
    assert "Only the built-in provider is here" in drawn
    assert "<code>/shelf &lt;1&gt;</code>" in drawn
    assert "No model yet." in drawn
    assert GONE.reason in drawn


def test_it_is_not_said_before_every_provider_has_answered():
    drawn = model_cards.here([Listing(BUILTIN, [FACTS]), Listing(LLAMA, known=False)], STATUS, "/shelf")
    assert "Only the built-in" not in drawn
    assert "Looking…" in drawn


def test_a_model_says_what_it_is_how_large_and_where():
    entry = ModelEntry("qwen", "llamacpp", True, 1_900_000_000, "/shelf/qwen.gguf")
    drawn = model_cards.here([Listing(LLAMA, [Weighed(entry, 2_500_000_000)])], STATUS, "/shelf")
    assert "Sees pictures · 1.9 GB · Fits<" in drawn
    assert ">/shelf/qwen.gguf<" in drawn
    assert 'data-act="load" data-job="llamacpp/qwen" aria-label="Load qwen"' in drawn
    blind = Weighed(replace(entry, vision=False))
    assert "Text only · 1.9 GB<" in model_cards.here([Listing(LLAMA, [blind])], STATUS, "/shelf")


def test_a_model_that_does_not_fit_says_so_and_can_be_tried():
    entry = ModelEntry("qwen", "llamacpp", True, 1_900_000_000, "/shelf/qwen.gguf")
    drawn = model_cards.here([Listing(LLAMA, [Weighed(entry, 2_500_000_000, LARGE.fits)])], STATUS, "/shelf")
    assert LARGE.fits.said in drawn
    assert acts(drawn) == ["load"]
    assert "disabled" not in drawn


def test_a_model_that_fits_once_another_is_closed_says_which():
    said = Room(10**9, "tiny <1>", 2 * 10**9).fits(2_500_000_000)
    entry = ModelEntry("qwen", "llamacpp", True, 1_900_000_000, "/shelf/qwen.gguf")
    drawn = model_cards.here([Listing(LLAMA, [Weighed(entry, 2_500_000_000, said)])], STATUS, "/shelf")
    for html in (drawn, offers(replace(SMALL, fits=said))):
        assert 'class="fits yes"><i class="dot"></i>Fits when tiny &lt;1&gt; is closed' in html
        assert "fits no" not in html


def test_the_model_that_serves_is_marked_and_cannot_be_loaded_again():
    drawn = model_cards.here([Listing(BUILTIN, [FACTS])], STATUS, "/shelf")
    assert "In use" in drawn
    assert acts(drawn) == []


@pytest.mark.parametrize(
    ("entry", "provider", "reason"),
    [
        (
            ModelEntry("half", "llamacpp", False, 5, "Cannot be loaded. half-2.gguf is missing."),
            LLAMA,
            "half-2",
        ),
        (ModelEntry("llava", "ollama", True, 5), GONE, "No Ollama server answers"),
    ],
)
def test_what_cannot_be_loaded_says_why(entry, provider, reason):
    drawn = model_cards.here([Listing(provider, [Weighed(entry)])], STATUS, "/shelf")
    assert reason in drawn
    assert '" disabled title="It cannot be loaded' in drawn


# What can be had


def test_an_offer_says_what_it_costs_before_it_is_downloaded():
    drawn = offers(SMALL)
    for said in (
        "Small Sees",
        "Transformers · sees pictures",
        "1.9 GB to download",
        "2.6 GB of memory",
        "Fits",
    ):
        assert said in drawn
    assert SMALL.about in drawn
    assert acts(drawn) == ["download"]


def test_an_offer_that_does_not_fit_says_why_and_can_still_be_had():
    drawn = offers(LARGE)
    assert LARGE.fits.said in drawn
    assert "text only" in drawn
    assert acts(drawn) == ["download"]


def test_the_licence_leads_to_its_text_in_a_tab_of_its_own():
    assert (
        '<a href="https://licences.example/apache" target="_blank" rel="noopener noreferrer" '
        'title="https://licences.example/apache" aria-label="Licence Apache-2.0, opens in a new tab">'
        "Apache-2.0</a>"
    ) in offers(SMALL)
    assert "<a " not in offers(replace(SMALL, licence_url="javascript:alert(1)"))


def test_a_download_shows_its_share_bytes_speed_and_time_left():
    drawn = offers(SMALL, views=[GETTING])
    assert 'aria-valuenow="22"' in drawn
    assert "width:21.71%" in drawn
    assert "<b>412 MB</b> of 1.9 GB" in drawn
    assert ">12 MB/s<" in drawn
    assert "about 2 min 1 s left" in drawn
    assert acts(drawn) == ["stop"]


@pytest.mark.parametrize(
    ("changed", "said", "buttons"),
    [
        ({"state": "waiting", "total_bytes": 0, "message": ""}, "Waiting", ["stop"]),
        ({"eta_seconds": None, "bytes_per_second": None, "message": ""}, "time left unknown", ["stop"]),
        ({"state": "partial", "message": ""}, "Stopped", ["download", "discard"]),
        (
            {"state": "failed", "message": "No network <here>."},
            "No network &lt;here&gt;.",
            ["download", "discard"],
        ),
        ({"state": "completed"}, "1.9 GB to download", ["download"]),
    ],
)
def test_each_state_of_a_download_offers_what_can_be_done(changed, said, buttons):
    drawn = offers(SMALL, views=[replace(GETTING, **changed)])
    assert said in drawn
    assert acts(drawn) == buttons


def test_where_the_share_is_not_known_none_is_claimed():
    drawn = offers(SMALL, views=[replace(GETTING, total_bytes=0)])
    assert "aria-valuenow" not in drawn
    assert "<b>412 MB</b></span>" in drawn


def test_discarding_asks_once():
    drawn = offers(SMALL, views=[replace(GETTING, state="partial")])
    assert 'data-act="discard" data-job="small-sees" data-sure=\'Really discard?\'' in drawn


def test_half_a_model_that_is_not_offered_any_more_can_be_thrown_away():
    half = replace(GETTING, id="old-model", state="partial")
    drawn = offers(SMALL, views=[half, replace(half, id="ollama:llava")])
    assert "not offered any more" in drawn
    assert acts(drawn) == ["download", "discard"]
    assert acts(offers(views=[replace(half, state="downloading")])) == ["stop"]
    assert acts(offers(views=[replace(half, state="completed")])) == []


def test_an_offer_that_is_here_can_be_loaded_by_the_name_that_it_has_here():
    there = replace(SMALL, here=True)
    drawn = offers(there, names={"small-sees": "tiny"})
    assert "On this machine" in drawn
    assert (
        'data-act="load" data-job="transformers/tiny" aria-label="Load Small Sees for Transformers"' in drawn
    )
    serving = replace(STATUS, provider="transformers", model="tiny")
    assert "In use" in offers(there, names={"small-sees": "tiny"}, status=serving)
    assert acts(offers(there)) == []


def test_the_name_of_an_offer_is_that_of_its_own_provider():
    entries = [ModelEntry("tiny", "llamacpp", True, 5), ModelEntry("lab/tiny", "transformers", True, 5)]
    assert name_of(SMALL, entries) == "lab/tiny"
    assert name_of(LARGE, entries) == ""


def test_ollama_can_pull_only_where_its_server_answers():
    assert "<form" in download_cards.pulls(OLLAMA, {})
    gone = download_cards.pulls(GONE, {})
    assert GONE.reason in gone
    assert "<form" not in gone
    assert "<form" not in download_cards.pulls(None, {})


def test_a_pull_knows_its_share_and_no_bytes():
    view = DownloadView("ollama:llava:7b", "downloading", 0, 0, None, None, "pulling aa", 0.43)
    drawn = download_cards.pulls(OLLAMA, {view.id: view, GETTING.id: GETTING})
    assert "<b>43\xa0%</b>" in drawn
    assert ">pulling aa<" in drawn
    assert re.findall('data-pulls="([^"]+)"', drawn) == ["llava:7b"]
    assert acts(drawn) == ["stop"]
    stopped = download_cards.pulls(OLLAMA, {view.id: replace(view, state="partial")})
    assert 'data-act="pull" data-job="llava:7b"' in stopped
    assert 'data-act="discard" data-job="ollama:llava:7b"' in stopped
    assert "It is on this machine now." in download_cards.pulls(
        OLLAMA, {view.id: replace(view, state="completed", message="")}
    )


def test_nothing_that_came_from_outside_becomes_markup():
    evil = replace(
        SMALL,
        id=EVIL,
        label=EVIL,
        provider=EVIL,
        licence=EVIL,
        licence_url=f"https://{EVIL}",
        about=EVIL,
        fits=Fit(False, EVIL),
    )
    view = replace(GETTING, id=EVIL, message=EVIL)
    entry = ModelEntry(EVIL, EVIL, True, 5, EVIL)
    provider = ProviderStatus(EVIL, EVIL, False, EVIL)
    drawn = [
        offers(evil),
        offers(replace(evil, here=True), names={EVIL: EVIL}),
        offers(views=[replace(view, state="partial")]),
        *(offers(evil, views=[replace(view, state=state)]) for state in ("downloading", "failed", "partial")),
        model_cards.here([Listing(provider, [Weighed(entry, 5, Fit(False, EVIL))])], STATUS, EVIL),
        model_cards.here([Listing(replace(provider, available=True), trouble=EVIL)], STATUS, EVIL),
        download_cards.pulls(provider, {f"ollama:{EVIL}": replace(view, id=f"ollama:{EVIL}")}),
    ]
    assert all("<img" not in text and "&lt;img" in text for text in drawn)


@pytest.mark.parametrize(
    ("speed", "said"),
    [(850_000, "850 kB/s"), (1_340_000, "1.3 MB/s"), (12_300_000, "12 MB/s"), (1_200_000_000, "1.2 GB/s")],
)
def test_speeds_are_said_as_people_read_them(speed, said):
    assert wording.speed(speed) == said


# What an open tab is told


def test_a_tab_is_told_what_differs_and_how_soon_to_ask_again(engine, follow):
    first = until(lambda: follow.changes({}), lambda answer: answer["every_ms"] == IDLE_MS)
    lists = {"models-here", "models-offers", "models-pulls", "models-servers", "models-keys"}
    assert set(first["parts"]) == lists
    marks = {name: mark for name, (mark, _) in first["parts"].items()}
    assert follow.changes(marks)["parts"] == {}
    engine.downloads.start("small-sees")
    again = follow.changes(marks)
    assert set(again["parts"]) == {"models-offers"}
    assert again["every_ms"] == BUSY_MS


def test_a_provider_that_hangs_holds_up_nothing_else(engine, follow, monkeypatch):
    answers = threading.Event()
    listed = engine.models

    def slow_models(provider):
        return [] if provider == "transformers" and not answers.wait(WAIT) else listed(provider)

    monkeypatch.setattr(engine, "models", slow_models)
    drawn = until(lambda: parts(follow), lambda found: "scene-facts" in found["models-here"])
    assert "Looking…" in drawn["models-here"]
    engine.downloads.start("small-sees")
    assert (
        "Waiting"
        in until(lambda: parts(follow), lambda found: "Waiting" in found["models-offers"])["models-offers"]
    )
    answers.set()
    assert (
        "Looking…"
        not in until(lambda: parts(follow), lambda found: "tiny" in found["models-here"])["models-here"]
    )


def test_a_provider_or_a_catalogue_that_fails_says_why(engine, follow):
    engine.fails["models"] = ModelError(f"The folder {EVIL} cannot be read.")
    engine.fails["offers"] = InvalidInput(f"The list {EVIL} is damaged.")
    drawn = until(lambda: parts(follow), lambda found: "cannot be read" in found["models-here"])
    assert (
        "is damaged"
        in until(lambda: parts(follow), lambda found: "list" in found["models-offers"])["models-offers"]
    )
    assert EVIL not in "".join(drawn.values())


def test_a_model_that_has_arrived_can_be_loaded_at_once(engine, follow):
    until(lambda: follow.changes({}), lambda answer: answer["every_ms"] == IDLE_MS)
    engine.downloads.start("small-sees")
    assert follow.changes({})["arrived"] == ()
    engine.downloads.offered[0] = replace(SMALL, here=True)
    engine.downloads.move("small-sees", state="completed")
    assert follow.changes({})["arrived"] == ("small-sees",)
    drawn = until(lambda: parts(follow)["models-offers"], lambda found: "transformers/tiny" in found)
    assert "On this machine" in drawn


# What is done with a row


def test_load_goes_through_the_bar(house, engine):
    said, provider, model, question, asks, bar_said = run(
        models.on_row_act(house, "load", "transformers/lab/tiny")
    ).as_outputs()
    assert engine.asked[-1] == ("begin_switch", "transformers", "lab/tiny", "refuse", {})
    assert (provider["value"], model["value"]) == ("transformers", "lab/tiny")
    assert (said, question["visible"], asks, bar_said) == ("", False, "", "")


def test_load_asks_before_it_interrupts_what_runs(house, engine):
    engine.status_now = replace(engine.status_now, busy=("Analysing lake.mp4",))
    shown = run(models.on_row_act(house, "load", "transformers/tiny"))
    assert shown.question["visible"]
    assert "Analysing lake.mp4" in shown.asks
    assert (shown.provider["value"], shown.model["value"]) == ("transformers", "tiny")
    assert not any(verb == "begin_switch" for verb, *_ in engine.asked)


def test_the_buttons_of_a_download_reach_the_engine(house, engine):
    for act, subject in (("download", "small-sees"), ("stop", "small-sees"), ("discard", "small-sees")):
        shown = run(models.on_row_act(house, act, subject)).as_outputs()
        assert shown[0] == ""
        assert all(one == {"__type__": "update"} for one in shown[1:])
    run(models.on_row_act(house, "pull", "llava:7b"))
    assert engine.asked == [
        ("start", "small-sees"), ("cancel", "small-sees"), ("discard", "small-sees"), ("pull", "llava:7b"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("act", "said"), [("download", "no model &#x27;&lt;b&gt;"), ("nonsense", "Something went wrong")]
)
def test_what_goes_wrong_is_said(house, act, said):
    assert said in run(models.on_row_act(house, act, "<b>")).as_outputs()[0]


def test_the_bar_knows_a_model_that_has_arrived(house):
    shown = run(models.on_arrival(house, "transformers")).as_outputs()
    assert shown[2]["choices"] == ["tiny", "other"]
    assert "value" not in shown[2]
