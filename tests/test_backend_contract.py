"""What every backend promises, whatever is behind it. A new one is added to `BACKENDS` and meets the rest."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from engine.backends import provider
from engine.backends.base import Backend, Finished, Frame, FrameTask, Message, ModelEntry, TextDelta
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures import llama_server, ollama_server
from tests.fixtures.colours import COLOURS
from tests.fixtures.faulty_server import BLIND, MODEL, FaultyServer, provider_of, works
from tests.fixtures.text_model import make_text_model

FIXTURES = Path(__file__).parent / "fixtures"
BACKENDS = {
    "builtin": "scene-facts",
    "llamacpp": "tiny",
    "ollama": ollama_server.SEEING,
    "openai": llama_server.ALIAS,
    "transformers": "tiny_model",
}
GREEDY = GenerationSettings(max_new_tokens=12, temperature=0)
HELLO = [Message("user", "Hello")]


@pytest.fixture(scope="module", autouse=True)
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What the providers of servers speak to: llama.cpp's own server, and a small one for Ollama."""
    options = ("--logits_all", "true", "--interrupt_requests", "false")
    with (
        ollama_server.OllamaStandIn() as ollama,
        llama_server.llama_server(tmp_path_factory.mktemp("gguf"), *options) as openai,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("OLLAMA_HOST", ollama.url)
        environment.setenv("OPENAI_BASE_URL", openai)
        yield


@pytest.fixture(scope="module")
def shelves(gguf_shelf: Path) -> dict[str, Path]:
    """Where the model of each provider lies."""
    return {provider_id: gguf_shelf if provider_id == "llamacpp" else FIXTURES for provider_id in BACKENDS}


def entry(provider_id: str, shelves: dict[str, Path]) -> ModelEntry:
    models = provider(provider_id).models(shelves[provider_id])
    return next(e for e in models if e.name == BACKENDS[provider_id])


def load(provider_id: str, shelves: dict[str, Path]) -> Backend:
    return provider(provider_id).load(
        entry(provider_id, shelves), LoadOptions(), lambda share, what: None, CancelToken()
    )


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, shelves: dict[str, Path]) -> Iterator[Backend]:
    loaded = load(request.param, shelves)
    yield loaded
    loaded.close()


def frames(*colours: str) -> list[Frame]:
    pictures = [np.full((60, 80, 3), COLOURS[colour], np.uint8) for colour in colours]
    return [
        Frame(index, index * 500_000, picture, pictures[index - 1] if index else None)
        for index, picture in enumerate(pictures)
    ]


def some_tags(backend: Backend) -> tuple[str, ...]:
    return (backend.info.tag_vocabulary or ("red", "something blue", "a dog"))[:3]


def text(items: list[TextDelta | Finished]) -> str:
    return "".join(item.text for item in items if isinstance(item, TextDelta))


def test_info_says_what_it_is(backend):
    info = backend.info
    assert BACKENDS[info.provider] == info.model
    assert info.digest
    assert info.parallel >= 1 and info.batch_size >= 1
    assert info.memory_bytes >= 0 and info.context_length >= 0


def test_what_validating_found_is_what_was_loaded(backend, shelves):
    plan = provider(backend.info.provider).validate(entry(backend.info.provider, shelves), LoadOptions())
    assert plan.digest == backend.info.digest
    assert plan.free_bytes > 0
    assert plan.memory_bytes >= backend.info.memory_bytes


def test_loading_tells_progress_that_only_grows_and_ends_at_one(shelves):
    for provider_id in BACKENDS:
        told: list[float] = []
        loaded = provider(provider_id).load(
            entry(provider_id, shelves),
            LoadOptions(),
            lambda share, what, told=told: told.append(share),
            CancelToken(),
        )
        loaded.close()
        assert told == sorted(told)
        assert told[-1] == 1


@pytest.mark.parametrize("provider_id", BACKENDS)
def test_loading_that_is_cancelled_before_it_begins_is_refused(provider_id, shelves):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        provider(provider_id).load(
            entry(provider_id, shelves), LoadOptions(), lambda share, what: None, cancel
        )


def test_each_frame_has_one_answer_in_order(backend):
    asked = frames("red", "black", "white", "blue", "black")
    task = FrameTask(some_tags(backend), "What colour is this?")
    together = list(backend.look(asked, task, CancelToken()))
    alone = [next(iter(backend.look([frame], task, CancelToken()))) for frame in asked]
    assert [answer.state for answer in together] == ["answered"] * 5
    assert [answer.caption for answer in together] == [answer.caption for answer in alone]
    assert len({answer.caption for answer in together}) > 1
    for both in zip(together, alone, strict=True):
        assert both[0].tags == pytest.approx(both[1].tags, abs=1e-5)


def test_every_asked_tag_has_a_probability(backend):
    tags = some_tags(backend)
    for answer in backend.look(frames("red", "black"), FrameTask(tags), CancelToken()):
        assert tuple(answer.tags) == tags
        assert all(0 <= probability <= 1 for probability in answer.tags.values())


@pytest.mark.parametrize(
    ("task", "has_caption"), [(FrameTask(), False), (FrameTask(prompt="What colour is this?"), True)]
)
def test_what_was_not_asked_is_not_answered(backend, task, has_caption):
    (answer,) = backend.look(frames("red"), task, CancelToken())
    assert answer.tags == {}
    assert bool(answer.caption) == has_caption


def test_no_frames_give_no_answers(backend):
    assert list(backend.look([], FrameTask(prompt="What colour is this?"), CancelToken())) == []


def test_the_same_frames_get_the_same_answers(backend):
    task = FrameTask(some_tags(backend), "What colour is this?")
    first, again = (list(backend.look(frames("red", "blue"), task, CancelToken())) for _ in range(2))
    assert [(a.tags, a.caption, a.facts) for a in first] == [(a.tags, a.caption, a.facts) for a in again]


def test_a_look_that_is_cancelled_before_it_begins_answers_nothing(backend):
    cancel = CancelToken()
    cancel.cancel("enough")
    with pytest.raises(Cancelled, match="enough"):
        next(iter(backend.look(frames("red"), FrameTask(some_tags(backend)), cancel)))


def test_a_look_that_is_cancelled_keeps_what_it_gave_and_the_next_one_works(backend):
    task = FrameTask(some_tags(backend), "What colour is this?")
    undisturbed = list(backend.look(frames("red", "black"), task, CancelToken()))
    cancel = CancelToken()
    answers = iter(backend.look(frames("red", "black"), task, cancel))
    assert next(answers).state == "answered"
    cancel.cancel()
    with pytest.raises(Cancelled):
        next(answers)
    again = list(backend.look(frames("red", "black"), task, CancelToken()))
    assert [(a.tags, a.caption) for a in again] == [(a.tags, a.caption) for a in undisturbed]


def test_an_answer_is_text_and_then_one_end(backend):
    items = list(backend.stream(HELLO, GREEDY, CancelToken()))
    assert all(isinstance(item, TextDelta) and item.text for item in items[:-1])
    assert isinstance(items[-1], Finished)
    assert items[-1].reason in ("stop", "length")
    assert items[-1].usage.seconds >= 0
    assert text(items).strip()


def test_an_answer_that_is_cancelled_before_it_begins_is_empty(backend):
    cancel = CancelToken()
    cancel.cancel()
    (end,) = backend.stream(HELLO, GREEDY, cancel)
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"


def test_an_answer_that_is_cancelled_ends_there_and_the_next_one_is_whole(backend):
    whole = text(list(backend.stream(HELLO, GREEDY, CancelToken())))
    cancel = CancelToken()
    items = backend.stream(HELLO, GREEDY, cancel)
    begun = next(iter(items))
    cancel.cancel()
    rest = list(items)
    assert [type(item) for item in rest] == [Finished]
    assert rest[0].reason == "cancelled"
    assert whole.startswith(begun.text)
    assert text(list(backend.stream(HELLO, GREEDY, CancelToken()))) == whole


def test_an_answer_that_nobody_wants_any_more_can_be_dropped(backend):
    whole = text(list(backend.stream(HELLO, GREEDY, CancelToken())))
    dropped = backend.stream(HELLO, GREEDY, CancelToken())
    next(iter(dropped))
    dropped.close()
    assert text(list(backend.stream(HELLO, GREEDY, CancelToken()))) == whole


def test_counting_tokens_counts_pictures_and_text(backend):
    if backend.info.context_length == 0:
        assert backend.count_tokens(HELLO) == 0
        return
    short = backend.count_tokens(HELLO)
    longer = backend.count_tokens([Message("user", "Hello and good morning to all of you")])
    seeing = backend.count_tokens([Message("user", "Hello", (frames("red")[0].picture,))])
    assert 0 < short < longer
    assert short < seeing


def test_warming_up_works_and_can_be_cancelled(backend):
    backend.warm_up(CancelToken())
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        backend.warm_up(cancel)


# a model that reads text only


@pytest.fixture(scope="module", params=sorted(set(BACKENDS) - {"builtin"}))
def blind(
    request: pytest.FixtureRequest, gguf_shelf: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Backend]:
    """The built-in one has none."""
    with ExitStack() as stack:
        shelf, name, source = FIXTURES, "writer", provider(request.param)
        if request.param == "llamacpp":
            shelf = tmp_path_factory.mktemp("text")  # without what would let it see
            shutil.copy2(gguf_shelf / "tiny.gguf", shelf / "writer.gguf")
        elif request.param == "transformers":
            shelf = make_text_model(tmp_path_factory.mktemp("text") / "writer").parent
        elif request.param == "ollama":
            name = ollama_server.WRITING
        else:
            server = stack.enter_context(FaultyServer(works(), listing=BLIND))
            source, name = provider_of(server), MODEL
        wanted = next(each for each in source.models(shelf) if each.name == name)
        loaded = source.load(wanted, LoadOptions(), lambda share, what: None, CancelToken())
        yield loaded
        loaded.close()


def test_a_text_only_model_fails_each_frame_with_a_reason_and_goes_on_chatting(blind):
    assert not blind.info.vision
    blind.warm_up(CancelToken())
    answers = list(blind.look(frames("red", "blue"), FrameTask(("red", "dog"), "What?"), CancelToken()))
    assert [(each.state, each.tags, each.caption) for each in answers] == [
        ("failed", {"red": None, "dog": None}, "")
    ] * 2
    assert all(blind.info.model in each.error for each in answers)
    assert text(list(blind.stream(HELLO, GREEDY, CancelToken())))


def test_a_text_only_model_refuses_a_picture_in_a_chat_with_a_reason(blind):
    seen = [Message("user", "What is it?", (frames("red")[0].picture,))]
    with pytest.raises(ModelError, match=r"pictures? out|without the pictures|Load a model that sees"):
        list(blind.stream(seen, GREEDY, CancelToken()))
    assert text(list(blind.stream(HELLO, GREEDY, CancelToken())))


def test_a_look_of_a_text_only_model_that_is_cancelled_before_it_begins_answers_nothing(blind):
    cancel = CancelToken()
    cancel.cancel("enough")
    with pytest.raises(Cancelled, match="enough"):
        next(iter(blind.look(frames("red"), FrameTask(("red",)), cancel)))
