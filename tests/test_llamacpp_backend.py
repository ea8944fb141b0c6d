"""llama.cpp on the tiny model: what is computed and what is not, that no answer changes, and how it stops."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from engine.backends import provider
from engine.backends.base import Finished, Frame, FrameTask, Message, TextDelta
from engine.backends.llamacpp.model import LlamaCppBackend
from engine.backends.llamacpp.sequences import CHAT, FRAMES
from engine.backends.llamacpp.vocabulary import Detokenizer
from engine.backends.yesno import question
from engine.cancel import CancelToken
from engine.errors import Cancelled, ModelError
from engine.settings import GenerationSettings, LoadOptions
from tests.fixtures.colours import COLOURS

FIXTURES = Path(__file__).parent / "fixtures"
PICTURE_TOKENS = 16
GREEDY = GenerationSettings(max_new_tokens=12, temperature=0)
MANY = "Say which of these you see: " + ", ".join(f"thing {number}" for number in range(40))


def load(shelf: Path, name: str = "tiny", **options: object) -> LlamaCppBackend:
    found = provider("llamacpp")
    entry = next(entry for entry in found.models(shelf) if entry.name == name)
    loaded = found.load(entry, LoadOptions(**options), lambda share, what: None, CancelToken())
    assert isinstance(loaded, LlamaCppBackend)
    return loaded


@pytest.fixture(scope="module")
def backend(gguf_shelf: Path) -> Iterator[LlamaCppBackend]:
    loaded = load(gguf_shelf)
    yield loaded
    loaded.close()


@pytest.fixture
def fresh(gguf_shelf: Path) -> Iterator[LlamaCppBackend]:
    """One that has read nothing yet."""
    loaded = load(gguf_shelf)
    yield loaded
    loaded.close()


def picture(left: str, right: str | None = None) -> np.ndarray:
    painted = np.full((80, 80, 3), COLOURS[left], np.uint8)
    painted[:, 40:] = COLOURS[right or left]
    return painted


def frame(left: str, right: str | None = None, index: int = 0) -> Frame:
    return Frame(index, index * 500_000, picture(left, right))


def look(backend: LlamaCppBackend, frames: list[Frame], task: FrameTask) -> list:
    return list(backend.look(frames, task, CancelToken()))


def answer(backend: LlamaCppBackend, messages: list[Message], settings: GenerationSettings = GREEDY) -> str:
    items = backend.stream(messages, settings, CancelToken())
    return "".join(item.text for item in items if isinstance(item, TextDelta))


def evaluated(backend: LlamaCppBackend, work) -> int:
    before = backend.tokens_evaluated
    work()
    return backend.tokens_evaluated - before


def test_the_same_pictures_get_the_same_answers_as_through_transformers(backend):
    other = provider("transformers")
    entry = next(entry for entry in other.models(FIXTURES) if entry.name == "tiny_model")
    theirs = other.load(entry, LoadOptions(), lambda share, what: None, CancelToken())
    names = list(COLOURS)
    frames = [frame(name) for name in names] + [frame(a, b) for a, b in pairwise(names)]
    task = FrameTask((*names, "a dog"), "What colours are there?")
    pairs = list(zip(look(backend, frames, task), theirs.look(frames, task, CancelToken()), strict=True))
    theirs.close()
    for mine, other in pairs:
        assert mine.caption == other.caption
        assert {t: p > 0.5 for t, p in mine.tags.items()} == {t: p > 0.5 for t, p in other.tags.items()}


def plain_logits(backend: LlamaCppBackend, image: np.ndarray, text: str) -> np.ndarray:
    """The plain way: everything forgotten, and the whole prompt read from its start."""
    sequences, prompts = backend._sequences, backend._prompts
    units = prompts.of_messages([Message("user", text, (image,))])
    for sequence in (FRAMES, CHAT):
        sequences.hold(sequence, [], CancelToken())
    sequences.hold(FRAMES, units, CancelToken(), afresh=1)
    return sequences.logits().copy()


def test_questions_side_by_side_give_the_logits_of_whole_prompts(fresh):
    tags = (*COLOURS, "a dog", "a red and white boat with three sails", "x")
    image = picture("red", "white")
    plain = [plain_logits(fresh, image, question(tag)) for tag in tags]
    sequences, prompts = fresh._sequences, fresh._prompts
    for warm in range(2):  # the second time the picture is there already
        around = [prompts.around_picture(question(tag)) for tag in tags]
        units = [*around[0][0], *prompts.of_picture(image)]
        sequences.hold(FRAMES, units, CancelToken())
        tails = [behind for _, behind in around]
        together = [found.copy() for found in sequences.branches(FRAMES, tails, CancelToken())]
        for mine, theirs in zip(together, plain, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-3, err_msg=f"round {warm}")


def test_what_frames_share_is_kept_and_gives_the_logits_of_the_plain_way(fresh):
    sequences, prompts = fresh._sequences, fresh._prompts
    before, behind = prompts.around_picture(MANY, leading=True)
    assert len(before) > 200  # a long instruction is read before the picture
    images = [picture(name) for name in ("red", "blue", "white")]
    kept = []
    for image in images:
        sequences.hold(FRAMES, [*before, *prompts.of_picture(image), *behind], CancelToken(), afresh=1)
        kept.append(sequences.logits().copy())
    for mine, image in zip(kept, images, strict=True):
        sequences.hold(FRAMES, [], CancelToken())
        sequences.hold(FRAMES, [*before, *prompts.of_picture(image), *behind], CancelToken(), afresh=1)
        np.testing.assert_allclose(mine, sequences.logits(), atol=2e-3)


def test_the_second_frame_does_not_compute_the_shared_instruction_again(fresh):
    task = FrameTask(prompt=MANY, max_new_tokens=1)
    before, behind = fresh._prompts.around_picture(MANY, leading=True)
    first, second = (
        evaluated(fresh, lambda n=name: look(fresh, [frame(n)], task)) for name in ("red", "blue")
    )
    assert first == len(before) + PICTURE_TOKENS + len(behind)
    assert second == PICTURE_TOKENS + len(behind)


def test_tags_take_nothing_of_the_shared_instruction_away(fresh):
    task = FrameTask(("red", "blue"), MANY, max_new_tokens=1)
    before, _ = fresh._prompts.around_picture(MANY, leading=True)
    first, second, third = (
        evaluated(fresh, lambda n=name: look(fresh, [frame(n)], task)) for name in ("red", "blue", "green")
    )
    assert first - second >= len(before)
    assert second == third


def test_a_picture_is_read_once_for_all_tags(fresh):
    tags = tuple(f"thing {number}" for number in range(40))
    before, _ = fresh._prompts.around_picture(question(tags[0]))
    tails = [fresh._prompts.around_picture(question(tag))[1] for tag in tags]
    shared = next(i for i in range(99) if len({tail[: i + 1] for tail in tails}) > 1)
    took = evaluated(fresh, lambda: look(fresh, [frame("red")], FrameTask(tags)))
    assert took == len(before) + PICTURE_TOKENS + shared + sum(len(tail) - shared for tail in tails)


def test_two_hundred_tags_are_read_side_by_side_and_answered_as_each_alone(fresh):
    tags = (*(f"thing number {number}" for number in range(200)), "red", "blue")
    found = look(fresh, [frame("red")], FrameTask(tags))[0].tags
    assert tuple(found) == tags
    assert (found["red"] > 0.9, found["blue"] < 0.1) == (True, True)
    for tag in (tags[0], tags[150], "red"):
        fresh._sequences.hold(FRAMES, [], CancelToken())
        assert look(fresh, [frame("red")], FrameTask((tag,)))[0].tags == pytest.approx(
            {tag: found[tag]}, abs=1e-4
        )


def test_a_tag_with_a_long_name_is_asked_beside_short_ones(fresh):
    long = "a boat with " + ", ".join(f"sail number {n}" for n in range(20))
    assert fresh._prompts.leads(question(long))
    together = look(fresh, [frame("cyan")], FrameTask(("cyan", long)))[0].tags
    for tag in ("cyan", long):
        fresh._sequences.hold(FRAMES, [], CancelToken())
        assert look(fresh, [frame("cyan")], FrameTask((tag,)))[0].tags == pytest.approx(
            {tag: together[tag]}, abs=1e-4
        )


def test_a_caption_and_the_tags_of_a_frame_come_from_one_reading_of_its_picture(fresh):
    tags = ("red", "blue", "a dog")
    before, _ = fresh._prompts.around_picture(question("red"))
    tails = [
        fresh._prompts.around_picture(text)[1] for text in (*map(question, tags), "What colour is this?")
    ]
    task = FrameTask(tags, "What colour is this?", max_new_tokens=1)
    took = evaluated(fresh, lambda: look(fresh, [frame("red")], task))
    assert took <= len(before) + PICTURE_TOKENS + sum(map(len, tails))


def test_a_chat_between_two_frames_costs_the_frames_nothing(fresh):
    task = FrameTask(("red",), MANY, max_new_tokens=4)
    look(fresh, [frame("red")], task)
    undisturbed = evaluated(fresh, lambda: look(fresh, [frame("blue")], task))
    answer(fresh, [Message("user", "Hello")])
    assert evaluated(fresh, lambda: look(fresh, [frame("green")], task)) <= undisturbed + 3


def test_a_chat_that_needs_the_whole_context_gets_it(gguf_shelf):
    small = load(gguf_shelf, n_ctx=256)
    task = FrameTask(("red",))
    first = look(small, [frame("red")], task)
    long = [Message("user", "Hello " * 75)]
    assert small.count_tokens(long) > 256 - 60
    assert answer(small, long)
    assert look(small, [frame("red")], task)[0].tags == pytest.approx(first[0].tags, abs=1e-4)
    small.close()


def test_a_turn_that_goes_on_computes_only_what_is_new(fresh):
    asked = [Message("user", "Hello", (picture("red"),))]
    said = answer(fresh, asked)
    more = [*asked, Message("assistant", said), Message("user", "Hello")]
    whole = fresh.count_tokens(more)
    again = evaluated(fresh, lambda: answer(fresh, more, GenerationSettings(max_new_tokens=1, temperature=0)))
    assert again < whole - fresh.count_tokens(asked) + 2
    kept = answer(fresh, more)
    fresh._sequences.hold(CHAT, [], CancelToken())
    assert answer(fresh, more) == kept


def test_a_repeated_question_computes_one_token(fresh):
    asked = [Message("user", "Hello", (picture("red"),))]
    one = GenerationSettings(max_new_tokens=1, temperature=0)
    answer(fresh, asked, one)
    assert evaluated(fresh, lambda: answer(fresh, asked, one)) == 1


@pytest.mark.parametrize("n_ctx", [128, 256])
def test_a_prompt_longer_than_the_context_is_refused_and_the_next_one_works(gguf_shelf, n_ctx):
    small = load(gguf_shelf, n_ctx=n_ctx)
    assert small.info.context_length == n_ctx
    with pytest.raises(ModelError, match=f"at most {n_ctx}"):
        answer(small, [Message("user", "Hello " * 500)])
    (failed,) = look(small, [frame("red")], FrameTask(("red",), "Hello " * 500))
    assert (failed.state, failed.tags) == ("failed", {"red": None})
    assert answer(small, [Message("user", "Hello")])
    small.close()


def test_an_answer_ends_where_the_context_does(gguf_shelf):
    small = load(gguf_shelf, n_ctx=128)
    asked = [Message("user", "Hello " * 20)]
    settings = GenerationSettings(max_new_tokens=1000, temperature=2, top_p=1, top_k=0, seed=1)
    *_, end = small.stream(asked, settings, CancelToken())
    assert isinstance(end, Finished)
    assert end.usage.prompt_tokens + end.usage.completion_tokens <= 128
    small.close()


def test_a_seed_repeats_an_answer_and_another_one_does_not(backend):
    def written(seed: int) -> str:
        wild = GenerationSettings(max_new_tokens=30, temperature=2, top_p=1, top_k=0, seed=seed)
        return answer(backend, [Message("user", "Hello")], wild)

    assert written(1) == written(1)
    assert len({written(seed) for seed in range(5)}) > 1


def test_a_system_turn_is_read(backend):
    bare = backend.count_tokens([Message("user", "Hello")])
    assert backend.count_tokens([Message("system", "Be brief."), Message("user", "Hello")]) > bare


def test_control_tokens_that_a_person_typed_are_read_as_text(backend):
    typed = backend._prompts.of_messages([Message("user", "a</s>b<image>c<s>")])
    control = [backend._prompts._vocabulary.tokens(t, special=True)[0] for t in ("</s>", "<image>", "<s>")]
    assert [typed.count(token) for token in control] == [0, 0, 1]


def test_a_text_that_holds_our_own_marks_is_read_without_them(backend):
    marked = [Message("user", "Hel\ufdd0lo\ufdd2", (picture("red"),))]
    assert backend.count_tokens(marked) == backend.count_tokens([Message("user", "Hello", (picture("red"),))])


@pytest.mark.parametrize("text", ["", "\0\x07\x1b[31m", "\ud800 lone", "日本語 🙂", "word " * 90])
def test_any_text_gets_an_answer(backend, text):
    *_, end = backend.stream([Message("user", text)], GREEDY, CancelToken())
    assert isinstance(end, Finished)


def test_pieces_never_cut_a_character_in_two(backend):
    vocabulary = backend._prompts._vocabulary
    text = "cold \N{SNOWMAN} 日本 \N{SLIGHTLY SMILING FACE}!"
    detokenizer = Detokenizer(vocabulary)
    pieces = [detokenizer.push(token) for token in vocabulary.tokens(text)]
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


class CountDown(CancelToken):
    """Is cancelled when it has been asked so and so many times."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self._left = asked

    @property
    def cancelled(self) -> bool:
        self._left -= 1
        if self._left < 0:
            self.cancel("enough")
        return super().cancelled


@pytest.mark.parametrize("asked", [1, 5, 20, 60, 150])
def test_a_cancel_inside_the_computing_stops_it_and_changes_nothing_after(backend, asked):
    long = [Message("user", "Hello " * 150)]
    whole = answer(backend, long)
    backend._sequences.hold(CHAT, [], CancelToken())
    *_, end = backend.stream(long, GREEDY, CountDown(asked))
    assert isinstance(end, Finished)
    assert end.reason == "cancelled"
    assert answer(backend, long) == whole


@pytest.mark.parametrize("asked", [2, 10, 60, 120, 200])
def test_a_look_that_is_cancelled_anywhere_leaves_the_next_one_as_it_was(fresh, asked):
    task = FrameTask(tuple(COLOURS), "What colour is this?")
    undisturbed = look(fresh, [frame("red", "blue")], task)
    fresh._sequences.hold(FRAMES, [], CancelToken())
    with pytest.raises(Cancelled, match="enough"):
        list(fresh.look([frame("red", "blue")] * 20, task, CountDown(asked)))
    again = look(fresh, [frame("red", "blue")], task)
    assert again[0].caption == undisturbed[0].caption
    assert again[0].tags == pytest.approx(undisturbed[0].tags, abs=1e-5)


@pytest.mark.parametrize("at", [0.0, 0.3, 0.95])
def test_a_load_is_broken_off_inside_the_library(gguf_shelf, at):
    found = provider("llamacpp")
    (entry,) = found.models(gguf_shelf)
    cancel = CancelToken()
    told: list[float] = []

    def progress(share: float, what: str) -> None:
        told.append(share)
        if share >= at:
            cancel.cancel("no longer wanted")

    with pytest.raises(Cancelled, match="no longer wanted"):
        found.load(entry, LoadOptions(), progress, cancel)
    assert at <= told[-1] <= at + 0.1


def test_what_the_listener_to_progress_raises_comes_out_of_the_load(gguf_shelf):
    found = provider("llamacpp")
    (entry,) = found.models(gguf_shelf)

    def progress(share: float, what: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        found.load(entry, LoadOptions(), progress, CancelToken())


def test_a_model_without_a_projector_reads_text_only(gguf_shelf, tmp_path):
    (tmp_path / "blind.gguf").write_bytes((gguf_shelf / "tiny.gguf").read_bytes())
    blind = load(tmp_path, "blind")
    assert not blind.info.vision
    blind.warm_up(CancelToken())
    assert answer(blind, [Message("user", "Hello")])
    with pytest.raises(ModelError, match="text only"):
        answer(blind, [Message("user", "Hello", (picture("red"),))])
    (failed,) = look(blind, [frame("red")], FrameTask(("red",)))
    assert failed.state == "failed" and "text only" in failed.error
    blind.close()


def test_a_backend_can_be_used_from_another_thread_than_it_was_loaded_on(backend):
    answers: list[str] = []
    worker = threading.Thread(target=lambda: answers.append(answer(backend, [Message("user", "Hello")])))
    worker.start()
    worker.join()
    assert answers == [answer(backend, [Message("user", "Hello")])]


def test_files_that_are_overwritten_under_a_loaded_model_do_it_no_harm(gguf_shelf, tmp_path):
    for path in gguf_shelf.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    loaded = load(tmp_path)
    said = answer(loaded, [Message("user", "Hello")])
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    assert answer(loaded, [Message("user", "Hello")]) == said
    assert look(loaded, [frame("red")], FrameTask(("red",)))[0].state == "answered"
    loaded.close()
