"""What of a follow-up turn is computed, counted by what goes through the model's embedding, and that the
answer is that of a model which computes everything."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import DynamicCache

from engine.backends.base import Finished, Frame, FrameTask, Message, ModelEntry, TextDelta
from engine.backends.transformers import TransformersProvider, following
from engine.cancel import CancelToken
from engine.errors import ModelError
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures.colours import COLOURS
from tests.fixtures.text_model import make_text_model

TINY = Path(__file__).parent / "fixtures" / "tiny_model"
VOCABULARY = 520
GREEDY = GenerationSettings(max_new_tokens=6, temperature=0)
SYSTEM = Message("system", "Be brief.")
BOATS = Message("user", "Tell me about boats.")
TREES = Message("user", "Tell me about trees.")
SEES = "seeing"


def picture(colour: str) -> np.ndarray:
    return np.full((90, 160, 3), COLOURS[colour], np.uint8)


def asked(text: str, *colours: str) -> Message:
    return Message("user", text, tuple(picture(colour) for colour in colours))


class Computed:
    """What a model has computed: tokens of each pass, and pictures."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.pictures = 0

    def note(self, module: torch.nn.Module, inputs: tuple) -> None:
        if isinstance(module, torch.nn.Embedding) and module.num_embeddings == VOCABULARY:
            self.tokens.append(inputs[0].shape[1])
        elif isinstance(module, torch.nn.Conv2d):  # cuts pictures into patches
            self.pictures += len(inputs[0])


@contextmanager
def counted() -> Iterator[Computed]:
    computed = Computed()
    hook = register_module_forward_pre_hook(computed.note)
    try:
        yield computed
    finally:
        hook.remove()


class CountingToken(CancelToken):
    """Cancels itself when it is asked for the nth time: somewhere inside the computing."""

    def __init__(self, nth: int) -> None:
        super().__init__()
        self._left = nth

    @property
    def cancelled(self) -> bool:
        self._left -= 1
        if self._left == 0:
            self.cancel("counted")
        return super().cancelled


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    shelf = tmp_path_factory.mktemp("shelf")
    return {
        SEES: TINY,
        "text": make_text_model(shelf / "text"),
        "window": make_text_model(shelf / "window", window=16),
        "stretched": make_text_model(
            shelf / "stretched", rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
        ),
    }


def load(name: str, folder: Path):
    entry = ModelEntry(name, "transformers", name == SEES, 0, location=folder)
    return TransformersProvider().load(entry, LoadOptions(), lambda share, what: None, CancelToken())


@pytest.fixture(scope="module")
def backends(folders) -> Iterator[dict]:
    """Of each model the one that is tested; it has answered something else before."""
    loaded = {name: load(name, folder) for name, folder in folders.items()}
    yield loaded
    for backend in loaded.values():
        backend.close()


@pytest.fixture(scope="module")
def plain(folders) -> Iterator[dict]:
    """The same models, computing everything every time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(following, "can_follow", lambda model: False)
        loaded = {name: load(name, folder) for name, folder in folders.items()}
    yield loaded
    for backend in loaded.values():
        backend.close()


def said(backend, messages, cancel: CancelToken | None = None, settings=GREEDY) -> str:
    items = backend.stream(messages, settings, cancel or CancelToken())
    return "".join(item.text for item in items if isinstance(item, TextDelta))


def follow(backend, messages, question: Message = TREES) -> list[Message]:
    """The conversation after the answer to `messages` and one more question."""
    return [*messages, Message("assistant", said(backend, messages)), question]


def same_as_plain(backend, plain, messages) -> Computed:
    """What answering took, once the answer is found to be that of the plain way."""
    with counted() as computed:
        text = said(backend, messages)
    with counted() as everything:
        assert text == said(plain[backend.info.model], messages)
    assert text
    assert everything.tokens[0] == backend.count_tokens(messages)
    return computed


@pytest.mark.parametrize("name", ["text", SEES])
def test_a_follow_up_computes_only_what_is_new(backends, plain, name):
    backend = backends[name]
    first = [SYSTEM, BOATS]
    for question in (TREES, BOATS, TREES):
        known = backend.count_tokens(first)
        longer = follow(backend, first, question)
        computed = same_as_plain(backend, plain, longer)
        assert computed.tokens[0] <= backend.count_tokens(longer) - known
        assert set(computed.tokens[1:]) <= {1}
        first = longer


@pytest.mark.parametrize("name", ["text", SEES])
def test_the_same_question_again_computes_one_token_of_it(backends, plain, name):
    backend = backends[name]
    before = said(backend, [SYSTEM, BOATS])
    computed = same_as_plain(backend, plain, [SYSTEM, BOATS])
    assert computed.tokens[0] == 1
    assert said(backend, [SYSTEM, BOATS]) == before


def test_the_usage_tells_the_whole_prompt(backends):
    backend = backends["text"]
    for _ in range(2):
        *_, end = backend.stream([SYSTEM, BOATS], GREEDY, CancelToken())
        assert isinstance(end, Finished)
        assert end.usage.prompt_tokens == backend.count_tokens([SYSTEM, BOATS])


@pytest.mark.parametrize("name", ["text", SEES])
@pytest.mark.parametrize(
    "other",
    [
        [SYSTEM, TREES],
        [Message("system", "Be long."), BOATS],
        [BOATS],
        [SYSTEM, Message("user", "Tell me")],
        [Message("user", "x")],
    ],
    ids=["edited question", "another system prompt", "no system prompt", "cut", "nothing in common"],
)
def test_another_conversation_is_computed_from_where_it_differs(backends, plain, name, other):
    backend = backends[name]
    longer = follow(backend, [SYSTEM, BOATS])
    said(backend, longer)
    computed = same_as_plain(backend, plain, other)
    assert 1 <= computed.tokens[0] <= backend.count_tokens(other)
    computed = same_as_plain(backend, plain, longer)
    assert computed.tokens[0] > 1


RED = [asked("What colour is this?", "red")]


@pytest.mark.parametrize(
    ("first", "second", "pictures", "most"),
    [
        (RED, [*RED, Message("assistant", "red"), asked("Describe this frame.")], 0, 40),
        (RED, RED, 0, 1),
        (RED, [asked("Describe this frame.", "red")], 0, 30),
        (RED, [*RED, Message("assistant", "red"), asked("And this?", "blue")], 1, 60),
        ([SYSTEM], [SYSTEM, *RED], 1, 50),
        (RED, [asked("What colour is this?", "blue")], 1, 50),
        (RED, [asked("What colour is this?", "red", "blue")], 2, 60),
        ([asked("Which?", "red", "blue")], RED, 1, 50),
        ([asked("Which?", "red", "blue")], [asked("Which?", "blue", "red")], 2, 60),
        (RED, [asked("What colour is this?")], 0, 30),
        ([asked("What colour is this?")], RED, 1, 50),
    ],
    ids=[
        "follow-up",
        "again",
        "another question",
        "one more picture",
        "the first picture",
        "another picture",
        "a second picture beside it",
        "one picture less",
        "swapped",
        "without it",
        "with it",
    ],
)
def test_pictures_are_computed_once_if_they_are_the_same(backends, plain, first, second, pictures, most):
    backend = backends[SEES]
    said(backend, first)
    computed = same_as_plain(backend, plain, second)
    assert computed.pictures == pictures
    assert computed.tokens[0] <= most


def test_a_colour_is_not_taken_from_the_picture_before(backends):
    backend = backends[SEES]
    for colour in COLOURS:
        assert said(backend, [asked("What colour is this?", colour)]) == colour


@pytest.mark.parametrize("name", ["window", "stretched"])
def test_a_model_whose_cache_cannot_be_cut_back_computes_everything(backends, plain, name):
    backend = backends[name]
    longer = follow(backend, [SYSTEM, BOATS])
    computed = same_as_plain(backend, plain, longer)
    assert computed.tokens[0] == backend.count_tokens(longer)


@pytest.mark.parametrize("nth", [1, 2, 5, 14, 60, 110])
@pytest.mark.parametrize("name", ["text", SEES])
def test_wherever_an_answer_is_stopped_the_next_one_is_right_and_follows(backends, plain, name, nth):
    backend = backends[name]
    first = [SYSTEM, BOATS] if name == "text" else [SYSTEM, *RED]
    longer = follow(backend, first)
    known = backend.count_tokens(first)
    said(backend, longer, CountingToken(nth))
    computed = same_as_plain(backend, plain, longer)
    assert computed.tokens[0] <= backend.count_tokens(longer) - known
    assert computed.pictures == 0


def test_an_answer_that_nobody_wants_any_more_leaves_what_it_had_computed(backends, plain):
    backend = backends["text"]
    dropped = backend.stream([SYSTEM, BOATS], GREEDY, CancelToken())
    next(dropped)
    dropped.close()
    assert same_as_plain(backend, plain, [SYSTEM, BOATS]).tokens[0] == 1


def test_frames_that_are_looked_at_in_between_change_nothing(backends, plain):
    backend = backends[SEES]
    longer = follow(backend, [SYSTEM, *RED])
    frames = [Frame(index, index, picture(colour)) for index, colour in enumerate(("blue", "green"))]
    seen = [
        one.caption
        for one in backend.look(frames, FrameTask(("red",), "What colour is this?"), CancelToken())
    ]
    assert seen == ["blue", "green"]
    computed = same_as_plain(backend, plain, longer)
    assert computed.pictures == 0


def test_after_a_failure_everything_is_computed_again(backends, plain):
    backend = backends["text"]
    said(backend, [SYSTEM, BOATS])

    def fail(module: torch.nn.Module, inputs: tuple) -> None:
        if isinstance(module, torch.nn.SiLU) or type(module).__name__ == "SiLUActivation":
            raise RuntimeError("a cable came loose")

    hook = register_module_forward_pre_hook(fail)
    with pytest.raises(ModelError, match="a cable came loose"):
        said(backend, [SYSTEM, BOATS])
    hook.remove()
    computed = same_as_plain(backend, plain, [SYSTEM, BOATS])
    assert computed.tokens[0] == backend.count_tokens([SYSTEM, BOATS])


def test_a_seed_gives_the_same_answer_whether_the_prompt_was_known_or_not(backends):
    hot = GenerationSettings(max_new_tokens=10, temperature=1, top_p=1, top_k=0, seed=7)
    backend = backends["text"]
    assert said(backend, [BOATS], settings=hot) == said(backend, [BOATS], settings=hot)


def test_closing_gives_the_kept_cache_back(folders):
    backend = load("text", folders["text"])
    before = {id(cache) for cache in caches()}
    said(backend, [SYSTEM, BOATS])
    (kept,) = [weakref.ref(cache) for cache in caches() if id(cache) not in before]
    backend.close()
    assert kept() is None


def caches() -> list[DynamicCache]:
    return [thing for thing in gc.get_objects() if type(thing) is DynamicCache]
