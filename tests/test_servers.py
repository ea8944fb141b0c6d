"""Servers that are named while Haven runs: kept, followed at once, and their keys in the keyring alone."""

import logging
import threading
from pathlib import Path

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from serving import served

from engine.backends.base import ModelEntry
from engine.backends.ollama import server as ollama_server
from engine.backends.ollama.provider import OllamaProvider
from engine.backends.openai import wire
from engine.backends.openai.provider import OpenAIProvider
from engine.backends.openai.servers import Server
from engine.backends.remote import named, reach
from engine.backends.remote.lines import Limits
from engine.cancel import CancelToken
from engine.engine import Engine
from engine.errors import Cancelled, InvalidInput
from engine.events.models import ServerView
from engine.settings import LoadOptions
from storage.errors import DiskFull
from storage.store import Store
from tests.fixtures.faulty_server import SEES, FaultyServer, works
from tests.fixtures.keyring_stand_in import KeyringStandIn
from tests.fixtures.ollama_server import OllamaStandIn
from ui import server_rows

URL = "http://127.0.0.1:9/v1"
SECRET = "sk-very-secret"
LONG = 60  # seconds, for what happens at once or never


@pytest.fixture(autouse=True)
def nothing_ambient(monkeypatch):
    for name in (
        "OPENAI_BASE_URL",
        "OPENAI_API_KEY",
        "HAVEN_OPENAI_SERVERS",
        "OLLAMA_HOST",
        "OLLAMA_API_KEY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def engine(tmp_path):
    made = Engine(Store.open(tmp_path / "data"), tmp_path)
    yield made
    made.close()
    assert named.told() == named.Named()


@pytest.fixture
def keyring(tmp_path):
    with KeyringStandIn(tmp_path) as made:
        yield made


@pytest.fixture
def no_keyring(monkeypatch):
    monkeypatch.setattr("engine.backends.remote.keys.find_spec", lambda name: None)


def test_what_is_named_is_there_after_a_restart(tmp_path):
    engine = Engine(Store.open(tmp_path / "data"), tmp_path)
    engine.servers.save(" my  lab ", URL + "/")
    engine.servers.set_ollama("box:5")
    engine.close()
    again = Engine(Store.open(tmp_path / "data"), tmp_path)
    view = again.servers.view()
    assert view.openai == (ServerView("my lab", URL, False, "page"),)
    assert (view.ollama, view.usual_ollama) == ("box:5", "http://127.0.0.1:11434")
    again.close()


def test_the_list_of_models_follows_without_a_restart(engine):
    with FaultyServer(works()) as one, FaultyServer(works()) as other:
        engine.servers.save("one", one.base_url)
        (before,) = engine.models("openai")
        engine.servers.save("other", other.base_url)
        first, second = engine.models("openai")
        assert (first.name, second.name) == ("one: colours", "other: colours")
        assert first == before  # by this name a job or the next start asks for it
        assert other.base_url in second.detail
        run = engine.begin_switch("openai", first.name)
        run.wait()
        assert run.latest.success, run.latest.message
        engine.servers.remove("one")
        assert engine.models("openai") == [second]
        assert engine.status().provider == "openai"  # what serves goes on


def test_who_loads_a_model_waits_for_a_server_that_takes_its_time(engine, monkeypatch):
    monkeypatch.setattr(reach, "LOOK", Limits(LONG, LONG, LONG))
    go = threading.Event()

    def late(exchange, asked):
        if asked.path != "/v1/models":
            return works()(exchange, asked)
        exchange.server.waiting.set()
        assert go.wait(LONG)
        return exchange.json(SEES)

    with FaultyServer(late) as server:
        server.listing = None
        engine.servers.save("lab", server.base_url)
        run = engine.begin_switch("openai", "lab: colours")
        assert server.waiting.wait(LONG)
        reasons = {one.id: one.reason for one in engine.providers()}
        assert "has not answered yet" in reasons["openai"]  # who only looks at the page does not wait
        go.set()
        assert run.wait(LONG)
        assert run.latest.success, run.latest.message


@pytest.fixture
def held(monkeypatch):
    """A server that takes connections and answers none until the test is over; nobody gives it up before."""
    endless = Limits(LONG * 3, LONG * 3, LONG * 3)
    monkeypatch.setattr(reach, "LOOK", endless)
    monkeypatch.setattr(wire, "LISTING", endless)
    monkeypatch.setattr(ollama_server, "SHORT", endless)
    go = threading.Event()

    def never(exchange, asked):
        exchange.server.waiting.set()
        go.wait(LONG * 3)

    with FaultyServer(never) as server:
        server.listing = None
        try:
            yield server
        finally:
            go.set()


@pytest.mark.parametrize("answered", [0, 1, 2])
def test_who_gives_up_does_not_wait_for_a_server_that_falls_silent(engine, held, answered):
    """It says that it is there, then what it has; what is asked next, it never answers."""
    held.behaviours = [lambda exchange, asked: exchange.json(SEES)] * answered + held.behaviours
    engine.servers.save("lab", held.base_url)
    run = engine.begin_switch("openai", "lab: colours")
    assert held.waiting.wait(LONG)
    engine.cancel_switch()
    assert run.wait(LONG)
    assert run.latest.phase == "cancelled", run.latest.message


def test_a_load_waits_for_the_server_of_its_model_alone(engine, held):
    with FaultyServer(works(), listing=SEES) as good:
        engine.servers.save("held", held.base_url)
        engine.servers.save("good", good.base_url)
        run = engine.begin_switch("openai", "good: colours")
        try:
            assert run.wait(LONG), "it waits for the other server"
        finally:
            engine.cancel_switch()
        assert run.latest.success, run.latest.message
        assert held.asked == []


def test_a_model_that_a_server_has_not_is_said_without_the_other_servers(engine, held):
    with FaultyServer(works()) as good:
        engine.servers.save("held", held.base_url)
        engine.servers.save("good", good.base_url)
        run = engine.begin_switch("openai", "good: gone")
        try:
            assert run.wait(LONG), "it waits for the other server"
        finally:
            engine.cancel_switch()
        assert "has no model 'good: gone'. There are: good: colours." in run.latest.message


def test_servers_are_asked_for_their_models_side_by_side(engine, monkeypatch):
    monkeypatch.setattr(wire, "LISTING", Limits(LONG * 3, LONG * 3, LONG * 3))
    both = threading.Barrier(2, timeout=LONG)

    def once_both_are_asked(exchange, asked):
        both.wait()
        exchange.json(SEES)

    with FaultyServer(once_both_are_asked) as one, FaultyServer(once_both_are_asked) as other:
        for name, server in (("one", one), ("other", other)):
            server.listing = None
            engine.servers.save(name, server.base_url)
        assert [entry.name for entry in engine.models("openai")] == ["one: colours", "other: colours"]


@pytest.mark.parametrize("ask", ["models", "validate", "load"])
@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_who_gives_up_does_not_wait_for_a_list_either(held, monkeypatch, kind, ask):
    monkeypatch.setenv("OPENAI_BASE_URL", held.base_url)
    monkeypatch.setenv("OLLAMA_HOST", held.url)
    provider = {"openai": OpenAIProvider, "ollama": OllamaProvider}[kind]()
    cancel, stopped = CancelToken(), threading.Event()

    def work():
        with pytest.raises(Cancelled):
            entry = ModelEntry("colours", kind, True, 0)
            if ask == "models":
                provider.models(Path(), cancel=cancel)
            elif ask == "validate":
                provider.validate(entry, LoadOptions(), cancel)
            else:
                provider.load(entry, LoadOptions(), lambda *_: None, cancel)
        stopped.set()

    threading.Thread(target=work, daemon=True).start()
    assert held.waiting.wait(LONG)
    cancel.cancel()
    assert stopped.wait(LONG)


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("lab: a", ["lab"]),
        ("lab: a: b", ["lab"]),
        ("a", ["given"]),  # the only one of the environment puts no name before its models
        ("gone: a", ["given", "lab", "home"]),
        ("", ["given", "lab", "home"]),
    ],
)
def test_by_its_name_it_is_known_which_server_may_have_a_model(model, asked):
    listing = {"data": [{"id": "x"}]}
    with (
        FaultyServer(works(), listing=listing) as given,
        FaultyServer(works(), listing=listing) as lab,
        FaultyServer(works(), listing=listing) as home,
    ):
        servers = {"given": given, "lab": lab, "home": home}
        named = [Server(name, one.base_url, of_environment=one is given) for name, one in servers.items()]
        OpenAIProvider(lambda: named).models(Path(), model)
        assert [name for name, one in servers.items() if one.asked] == asked


def test_a_key_goes_to_the_keyring_and_to_its_server_and_nowhere_else(engine, keyring, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with FaultyServer(works()) as server:
        view = engine.servers.save("lab", server.base_url, SECRET)
        assert keyring.kept == {f"haven {server.base_url}": SECRET}
        assert engine.models("openai")
        assert {asked.headers.get("authorization") for asked in server.asked} == {f"Bearer {SECRET}"}
    assert view.openai[0].has_key and SECRET not in repr(view)
    assert SECRET not in str(server_rows.parts(view))
    assert SECRET not in caplog.text
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes(), file


def test_a_key_stays_with_its_address(engine, keyring):
    engine.servers.save("lab", URL, SECRET)
    assert engine.servers.save("lab 2", URL, "", old_name="lab").openai[0].has_key
    moved = engine.servers.save("lab 2", "http://elsewhere.example/v1", "", old_name="lab 2")
    assert not moved.openai[0].has_key
    assert keyring.kept == {}


def test_a_key_of_two_servers_at_one_address_goes_with_the_last(engine, keyring):
    engine.servers.save("a", URL, SECRET)
    assert engine.servers.save("b", URL).openai[1].has_key
    engine.servers.remove("a")
    assert list(keyring.kept) == [f"haven {URL}"]
    engine.servers.remove("b")
    assert keyring.kept == {}


def test_a_key_that_the_environment_counts_on_stays(engine, keyring, monkeypatch):
    engine.servers.save("lab", URL, SECRET)
    monkeypatch.setenv("HAVEN_OPENAI_SERVERS", f"given={URL}")
    engine.servers.remove("lab")
    assert keyring.kept == {f"haven {URL}": SECRET}


@pytest.mark.parametrize("earlier", ["", "sk-earlier"])
def test_where_a_server_cannot_be_kept_the_keyring_is_as_it_was(engine, keyring, monkeypatch, earlier):
    if earlier:
        engine.servers.save("lab", URL, earlier)
    before = dict(keyring.kept)

    def full(*_):
        raise DiskFull("The disk is full.")

    monkeypatch.setattr(engine.servers, "_keep", full)
    with pytest.raises(DiskFull):
        engine.servers.save("lab", URL, SECRET, old_name="lab" if earlier else "")
    assert keyring.kept == before


def test_without_a_keyring_it_is_said_how_else(engine, no_keyring):
    assert "HAVEN_OPENAI_KEY_LAB" in engine.servers.view().no_keyring
    with pytest.raises(InvalidInput, match=r"keyring is not installed.*HAVEN_OPENAI_SERVERS"):
        engine.servers.save("lab", URL, SECRET)
    assert engine.servers.view().openai == ()
    assert engine.servers.save("lab", URL).openai[0].name == "lab"


@pytest.mark.parametrize("priority", [0, 0.5])
def test_a_keyring_that_keeps_nothing_or_plain_text_is_none(engine, tmp_path, priority):
    with KeyringStandIn(tmp_path, priority) as keyring:
        with pytest.raises(InvalidInput, match="no safe keyring"):
            engine.servers.save("lab", URL, SECRET)
        assert keyring.kept == {}


def test_a_keyring_that_is_locked_is_said_and_nothing_is_changed(engine, keyring):
    with pytest.raises(InvalidInput, match="Unlock it"):
        engine.servers.save("lab", "http://locked/v1", SECRET)
    assert engine.servers.view().openai == ()


@pytest.mark.parametrize(
    ("name", "url", "key", "said"),
    [
        ("", URL, "", "Give the server a name"),
        ("lab", "http://😀:9", "", "no address"),
        ("lab", "http://" + "a" * 300 + ":9", "", "no address"),
        ("lab", "http://a..b:9", "", "no address"),
        ("lab", "http://xn--:9", "", "no address"),
        ("lab", "http://exa mple:9", "", "no address"),
        ("n" * 41, URL, "", "at most 40 characters"),
        ("a: b", URL, "", "without :"),
        ("taken", URL, "", "a server taken already"),
        ("given", URL, "", "The environment names a server given already"),
        ("lab", "127.0.0.1:8080", "", "Write it like http"),
        ("lab", "http://me:secret@host/v1", "", "holds a password"),
        ("lab", URL + "?key=1", "", "without what follows"),
        ("lab", URL, "two words", "on one line"),
        ("lab", URL, "a\nb", "on one line"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(engine, keyring, monkeypatch, name, url, key, said):
    monkeypatch.setenv("HAVEN_OPENAI_SERVERS", f"given={URL}")
    engine.servers.save("taken", URL)
    before = engine.servers.view()
    with pytest.raises(InvalidInput, match=said):
        engine.servers.save(name, url, key)
    assert (engine.servers.view(), keyring.kept) == (before, {})


def test_a_server_that_was_removed_meanwhile_is_named(engine):
    for verb in (lambda: engine.servers.remove("lab"), lambda: engine.servers.save("x", URL, "", "lab")):
        with pytest.raises(InvalidInput, match="no server 'lab'"):
            verb()


def test_servers_of_the_environment_are_shown_and_go_first(engine, monkeypatch):
    engine.servers.save("lab", URL)
    monkeypatch.setenv("HAVEN_OPENAI_SERVERS", "lab=http://given/v1")
    monkeypatch.setenv("HAVEN_OPENAI_KEY_LAB", SECRET)
    view = engine.servers.view()
    assert view.openai == (ServerView("lab", "http://given/v1", True, "environment"),)
    assert "From the environment" in server_rows.parts(view)["models-servers"]


def test_the_address_of_ollama_is_followed_and_gets_no_key_of_another(engine, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")
    monkeypatch.setenv("OLLAMA_API_KEY", SECRET)
    with OllamaStandIn() as server:
        assert engine.models("ollama") == []
        engine.servers.set_ollama(server.url)
        assert engine.models("ollama")
        assert all(SECRET not in str(asked.headers) for asked in server.asked)
        engine.servers.set_ollama("")
        assert engine.models("ollama") == []
    with pytest.raises(InvalidInput, match="The address of Ollama"):
        engine.servers.set_ollama("ftp://box")


def test_names_and_addresses_are_shown_as_text(engine):
    engine.servers.save('<b>"', URL)
    shown = server_rows.parts(engine.servers.view())["models-servers"]
    assert "<b>&lt;b&gt;" not in shown and 'title="&lt;b&gt;&quot;"' in shown


def test_a_script_names_servers_and_gets_no_key_back(engine, keyring, tmp_path):
    with served(engine, tmp_path / "data") as address:
        client = Client(address, verbose=False)
        view = client.predict("lab", URL, SECRET, api_name="/save_server")
        assert view["openai"] == [{"name": "lab", "base_url": URL, "has_key": True, "named_by": "page"}]
        assert SECRET not in str(client.predict(api_name="/servers"))
        with pytest.raises(AppError, match="a server lab already"):
            client.predict("lab", URL, api_name="/save_server")
        assert client.predict("lab", api_name="/remove_server")["openai"] == []
        assert client.predict("box:5", api_name="/set_ollama")["ollama"] == "box:5"
        client.close()
        wanted = {"name": "", "base_url": URL, "key": SECRET}
        answer = httpx.post(f"{address}/servers/save", json=wanted, timeout=60).json()
        assert answer["failed"] and "name" in answer["said"] and SECRET not in str(answer)
    assert keyring.kept == {}
