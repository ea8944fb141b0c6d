"""The summary of a video: what is asked of the model, what fits, what becomes of it in a job."""

import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeBackend, Gate

from engine.backends import provider
from engine.backends.base import Finished, Message, TextDelta, Usage
from engine.cancel import CancelToken
from engine.engine import Engine
from engine.errors import Cancelled, InvalidInput, ModelError, ServerAway
from engine.jobs import retries
from engine.jobs.views import job_result
from engine.settings import LoadOptions
from engine.video.request import AnalysisRequest
from engine.video.span_settings import SpanSettings
from engine.video.summary import PART, Summary, SummaryStep, summarise
from engine.video.summary_cost import SummaryCost, summary_cost
from storage.store import Store
from tests.fixtures.videos import constant, numbered_video
from tests.running import Running
from ui import cards, panels, wording

TINY = Path(__file__).parent / "fixtures" / "tiny_model"
WORD = re.compile(r"w\d+")


class Writer(FakeBackend):
    """Says which words it read, up to a few, and remembers every question."""

    def __init__(self, context_length=4096, says=None, **how) -> None:
        super().__init__(context_length=context_length, **how)
        self.questions: list[str] = []
        self.settings: list = []
        self.says = says

    def stream(self, messages, params, cancel):
        self.questions.append(messages[0].text)
        self.settings.append(params)
        number = len(self.questions)
        assert self.count_tokens(messages) + params.max_new_tokens <= self.info.context_length
        if self._on_stream:
            self._on_stream(number)
        if cancel.cancelled:
            yield Finished("cancelled", Usage(0, 0, 0.0))
            return
        said = f"answer {number}" if self.says is None else self.says
        yield TextDelta(said)
        yield Finished("stop", Usage(1, 1, 0.0))


def lines(question):
    return question.partition("\n\n")[2].splitlines()


def told(captions, backend, cancel=None):
    @contextmanager
    def lease():
        yield backend

    return list(summarise(captions, lease, cancel or CancelToken()))


def captions(count, words=10):
    """Each word but the first ones is there once in the whole video."""
    return [
        (second * 1_000_000, " ".join(f"w{second * words + word}" for word in range(words)))
        for second in range(count)
    ]


def test_a_short_video_is_one_question_that_has_every_caption_with_its_time():
    backend = Writer()
    events = told([(0, "A boat."), (2_500_000, "Two  boats.\nThey sail."), (3_725_000_000, "Dark.")], backend)
    assert events == [SummaryStep(0, 1), Summary("answer 1", 1)]
    assert lines(backend.questions[0]) == ["0:00: A boat.", "0:02: Two boats. They sail.", "1:02:05: Dark."]


def test_answers_are_greedy():
    backend = Writer()
    told(captions(2), backend)
    assert (backend.settings[0].temperature, backend.settings[0].top_k) == (0.0, 1)


def test_neighbours_that_say_the_same_are_one_line_over_their_time():
    backend = Writer()
    said = ["A boat.", "A boat.", "", "A boat.", "Dark.", "A boat."]
    told([(second * 1_000_000, text) for second, text in enumerate(said)], backend)
    assert lines(backend.questions[0]) == ["0:00 to 0:03: A boat.", "0:04: Dark.", "0:05: A boat."]


@pytest.mark.parametrize("context_length", [150, 200, 400])
def test_a_long_video_is_summarised_in_parts_that_hold_every_caption_once_and_in_order(context_length):
    backend = Writer(context_length)  # which checks that each question and its answer fit
    given = captions(300)
    *steps, summary = told(given, backend)
    assert summary == Summary(f"answer {len(backend.questions)}", len(backend.questions))
    read = [word for question in backend.questions for word in WORD.findall(question)]
    assert read == [word for _, text in given for word in text.split()]
    assert len(lines(backend.questions[-1])) > 1
    assert "4:59" in lines(backend.questions[-1])[-1]
    assert [step.done for step in steps] == list(range(len(backend.questions)))
    assert steps[-1].planned == len(backend.questions)
    assert all(step.done < step.planned for step in steps)


def test_each_question_is_as_full_as_it_can_be():
    backend = Writer(400)
    told(captions(300), backend)
    first, second = (lines(question) for question in backend.questions[:2])
    fuller = [Message("user", "".join(f"{line}\n" for line in (*first, second[0])))]
    asked = [Message("user", backend.questions[0].partition("\n\n")[0])]
    room = 400 - backend.settings[0].max_new_tokens
    assert backend.count_tokens(asked) + backend.count_tokens(fuller) > room - 20


def test_a_caption_that_is_too_long_for_one_question_is_divided_and_nothing_is_lost():
    given = [(0, "A boat."), (1_000_000, " ".join(f"w{n}" for n in range(1000))), (2_000_000, "Dark.")]
    backend = Writer(250)
    told(given, backend)
    read = [word for question in backend.questions for word in WORD.findall(question)]
    assert read == given[1][1].split()
    assert sum("A boat." in question for question in backend.questions) == 1


def test_the_same_captions_give_the_same_questions():
    first, second = Writer(300), Writer(300)
    told(captions(100), first)
    told(captions(100), second)
    assert first.questions == second.questions and len(first.questions) > 3


def test_a_model_with_too_little_context_says_so():
    with pytest.raises(ModelError, match=r"fake-1 reads 80 tokens.*n_ctx"):
        told(captions(3), Writer(80))


def test_summaries_that_do_not_get_shorter_are_no_endless_work():
    backend = Writer(250, says=" ".join(["again"] * 500))
    with pytest.raises(ModelError, match="too few"):
        told(captions(100), backend)


def test_a_model_that_writes_nothing_is_a_plain_message():
    with pytest.raises(ModelError, match="wrote nothing"):
        told(captions(3), Writer(says="  "))


@pytest.mark.parametrize("bad", [[1, 2], [2, 4, 5]])
def test_a_question_at_which_the_model_fails_is_asked_again(bad):
    def fail(number):
        if number in bad:
            raise ModelError("The model stumbled.")

    given, smooth, stumbling = captions(100), Writer(400, says="It goes on."), Writer(400, says="It goes on.")
    stumbling._on_stream = fail
    assert told(given, stumbling) == told(given, smooth)
    assert len(stumbling.questions) == len(smooth.questions) + len(bad)


def test_the_third_failure_is_the_last():
    backend = Writer(says="")
    with pytest.raises(ModelError, match="wrote nothing"):
        told(captions(3), backend)
    assert len(backend.questions) == 3


def test_without_captions_there_is_nothing_to_summarise():
    with pytest.raises(ModelError, match="nothing to summarise"):
        told([(0, ""), (1, "  ")], Writer())


def test_an_answer_that_reached_its_limit_ends_with_a_mark():
    backend = FakeBackend(words=["word "] * 1000)
    assert told(captions(2), backend)[-1].text.endswith("word …")


@pytest.mark.parametrize("at", [1, 2, 5])
def test_cancelling_ends_it_at_once(at):
    cancel = CancelToken()
    backend = Writer(250, on_stream=lambda number: number == at and cancel.cancel("enough"))
    with pytest.raises(Cancelled, match="enough"):
        told(captions(300), backend, cancel)
    assert len(backend.questions) == at


@pytest.mark.parametrize(("n_ctx", "at_once"), [(400, True), (220, False)])
def test_a_real_model_summarises_within_its_context(n_ctx, at_once):
    source = provider("transformers")
    entry = next(entry for entry in source.models(TINY.parent) if entry.location == TINY)
    backend = source.load(entry, LoadOptions(n_ctx=n_ctx), lambda share, what: None, CancelToken())
    try:
        given = [(second * 1_000_000, f"It is red {second}.") for second in range(12)]
        once, again = told(given, backend), told(given, backend)
    finally:
        backend.close()
    assert once == again and once[-1].text
    assert (once[-1].questions == 1) == at_once


# in a job


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return numbered_video(tmp_path_factory.mktemp("clips") / "lake.mp4", constant(6, 10)).path


@contextmanager
def running(folder, backend):
    made = Running(folder, backend)
    try:
        yield made
    finally:
        made.close()


ASK = {"prompt": "What happens?", "interval": 0.1, "options": {"summary": True}}


def test_a_job_ends_with_the_summary_of_its_captions(tmp_path, clip):
    with running(tmp_path, Writer()) as house:
        job = house.run(clip, **ASK)
        assert (job.status, job.summary) == ("completed", "answer 1")
        assert [line.partition(": ")[2] for line in lines(house.backend.questions[0])] == [
            f"frame {number}" for number in range(6)
        ]
        view = house.runner.view(job)
        result = job_result(view, job, house.frames(job.id), [], SpanSettings())
        assert (result.summary["text"], view.progress, view.writing) == ("answer 1", 1.0, None)


def test_without_the_option_nothing_is_written(tmp_path, clip):
    with running(tmp_path, Writer()) as house:
        job = house.run(clip, prompt="What happens?", interval=0.1)
        assert (job.status, job.summary, house.backend.questions) == ("completed", "", [])


def test_pausing_while_it_is_written_keeps_the_frames_and_only_the_summary_is_made_anew(tmp_path, clip):
    gate = Gate()
    backend = Writer(on_stream=lambda number: number == 1 and gate())
    with running(tmp_path, backend) as house:
        job_id = house.submit(clip, **ASK)
        assert gate.reached.wait(60)
        assert house.runner.view(house.store.job(job_id)).writing == 0.0
        house.runner._worker.run.stop("pause")
        gate.open()
        paused = house.wait(job_id)
        assert (paused.status, paused.reason, paused.frames_done, paused.summary) == ("paused", "user", 6, "")
        assert house.runner.view(paused).writing is None
        again = house.resume(job_id)
        assert (again.status, again.summary) == ("completed", "answer 2")
        assert sorted(backend.asked) == list(range(6))


def test_what_a_killed_process_left_needs_no_frame_again(tmp_path, clip):
    with running(tmp_path, Writer(on_stream=lambda number: house.interrupt())) as house:
        job = house.run(clip, **ASK)
        assert (job.status, job.frames_done, job.summary) == ("interrupted", 6, "")
    with running(tmp_path, Writer()) as house:
        job = house.resume(job.id)
        assert (job.status, job.summary, house.backend.asked) == ("completed", "answer 1", [])


def test_a_model_that_fails_at_the_summary_leaves_the_frames(tmp_path, clip):
    with running(tmp_path, Writer(says="")) as house:
        job = house.run(clip, **ASK)
        assert (job.status, job.frames_done, job.frames_failed) == ("completed_with_errors", 6, 0)
        assert wording.state(job.status, job.reason) == "Finished, without its summary"
        assert "The summary could not be written: fake-1 wrote nothing" in job.error


def test_a_summary_that_failed_is_written_later_without_the_frames_and_the_video(tmp_path, clip):
    video = tmp_path / "lake.mp4"
    video.write_bytes(clip.read_bytes())
    with running(tmp_path / "data", Writer(says="")) as house:
        job = house.run(video, **ASK)
        view = house.runner.view(job)
        assert view.lacks_summary and 'data-act="resume"' in cards.job_row(view, 0.0)
        assert "Write the summary" in panels.run(view)
        video.rename(tmp_path / "elsewhere.mp4")
        house.backend.asked.clear()
        house.backend.says = "A lake."
        again = house.resume(job.id)
        assert (again.status, again.reason, again.error, again.summary) == ("completed", "", "", "A lake.")
        assert house.backend.asked == [] and not house.runner.view(again).lacks_summary
        with pytest.raises(InvalidInput, match="nothing to resume"):
            house.runner.resume(job.id)


def test_frames_and_summary_that_both_failed_are_both_said(tmp_path, clip):
    with running(tmp_path, Writer(says="", answers={2: ModelError("The model stumbled.")})) as house:
        job = house.run(clip, **ASK)
        assert wording.state(job.status, job.reason) == "Finished, some frames failed"
        assert "5 of 6 frames were read" in job.error and "The summary could not be written" in job.error
        assert house.runner.view(job).lacks_summary


def test_what_ended_with_lost_frames_and_its_summary_is_not_resumed(tmp_path, clip):
    with running(tmp_path, Writer(answers={2: ModelError("The model stumbled.")})) as house:
        job = house.run(clip, **ASK)
        assert (job.status, job.summary) == ("completed_with_errors", "answer 1")
        with pytest.raises(InvalidInput, match="nothing to resume"):
            house.runner.resume(job.id)


def test_a_server_that_is_away_is_waited_for(tmp_path, clip, monkeypatch):
    monkeypatch.setattr(retries, "FIRST_SECONDS", 0.05)

    def away(number):
        if number == 1:
            raise ServerAway("No server answers.")

    with running(tmp_path, Writer(on_stream=away)) as house:
        job_id = house.submit(clip, **ASK)
        job = house.wait(job_id)
        while job.status == "paused":
            assert job.reason == "server"
            job = house.wait(job_id)
        assert (job.status, job.summary) == ("completed", "answer 2")


# what it costs, before


@pytest.mark.parametrize("context_length", [400, 1000, 4096])
@pytest.mark.parametrize("frames", [1, 30, 300])
def test_it_takes_no_more_than_was_said_before_and_not_much_less(context_length, frames):
    """With captions and answers as long as they may be, in words, of which each is a token here."""
    instruction, words = len(PART.split()), 60
    backend = Writer(context_length)
    backend.says = " ".join(["so"] * min(256, (context_length - 16 - instruction) // 4))
    *_, summary = told(captions(frames, words), backend)
    read = sum(len(question.split()) for question in backend.questions)
    tokens = read + summary.questions * len(backend.says.split())
    cost = summary_cost(frames, words, instruction, context_length)
    assert summary.questions <= cost.questions <= 1.4 * summary.questions
    assert tokens <= cost.tokens <= 1.4 * tokens


def test_a_model_without_room_for_one_is_said_to_take_nothing():
    assert summary_cost(10, 128, 40, 100) == summary_cost(0, 128, 40, 4096) == SummaryCost(0, 0)


# at the door


def test_a_summary_needs_captions():
    with pytest.raises(InvalidInput, match="ask a question too"):
        AnalysisRequest.of("lake.mp4", "boat", "", 1, {"summary": True})
    with pytest.raises(InvalidInput, match="summary must be true or false"):
        AnalysisRequest.of("lake.mp4", "boat", "What?", 1, {"summary": "yes"})


def test_a_run_with_a_summary_is_not_the_same_as_one_without():
    plain = AnalysisRequest.of("lake.mp4", "boat", "What?")
    assert plain.prompt_sha256 != replace(plain, summary=True).prompt_sha256


def test_the_built_in_model_says_that_it_does_not_write(tmp_path, clip):
    engine = Engine(Store.open(tmp_path / "data"), tmp_path)
    try:
        with pytest.raises(InvalidInput, match="cannot write a summary"):
            engine.submit_video(AnalysisRequest.of(clip, **ASK))
    finally:
        engine.close()


def test_the_summary_stands_above_the_totals_as_plain_text(tmp_path, clip):
    with running(tmp_path, Writer(says="<b>A boat</b> & more")) as house:
        job = house.run(clip, **ASK)
        result = job_result(house.runner.view(job), job, house.frames(job.id), [], SpanSettings())
        shown = cards.totals(result)
    assert shown.index("&lt;b&gt;A boat&lt;/b&gt; &amp; more") < shown.index("6 frames")
