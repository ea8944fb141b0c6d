"""Looking at frames: a caption each, and for every tag the probability of yes.

Each tag is a question of its own, answered by the model's logits. A picture is read once for all of them,
where the model is of a kind of which it is certain that this changes no answer; else several questions,
each with the picture, go through the model together. Knows no videos and no times.
"""

import logging
from collections.abc import Iterator, Sequence

from transformers import PreTrainedModel

from engine.backends.base import Frame, FrameAnswer, FrameTask, Picture
from engine.backends.transformers.branching import Beginning, can_branch
from engine.backends.transformers.decoding import decode, end_tokens, first_logits
from engine.backends.transformers.interrupt import Interrupt
from engine.backends.transformers.loading import explain
from engine.backends.transformers.prompts import Prompts
from engine.backends.transformers.yesno import YesNo
from engine.cancel import CancelToken
from engine.errors import HavenError, ModelError
from engine.settings import GenerationSettings

log = logging.getLogger(__name__)


class Looker:
    """Asks one model about frames. `tokens_at_once` bounds what one pass reads."""

    def __init__(
        self,
        model: PreTrainedModel,
        prompts: Prompts,
        interrupt: Interrupt,
        tokens_at_once: int,
    ) -> None:
        self._model, self._prompts, self._interrupt = model, prompts, interrupt
        self._tokens_at_once = tokens_at_once
        self._yes_no = YesNo(prompts.tokenizer)
        self._ends = end_tokens(model)
        self._branches = can_branch(model)

    def answers(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """One answer per frame, in order; captions of all of them are written together. Raises: Cancelled."""
        captions = self._captions(frames, task, cancel) if task.prompt else [""] * len(frames)
        for frame, caption in zip(frames, captions, strict=True):
            cancel.raise_if_cancelled()
            try:
                if isinstance(caption, ModelError):
                    raise caption
                tags = self._tags(frame.picture, task, cancel) if task.tags else {}
            except ModelError as error:
                yield FrameAnswer("failed", dict.fromkeys(task.tags), error=str(error))
            else:
                yield FrameAnswer("answered", tags, caption)

    def _captions(
        self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken
    ) -> list[str | ModelError]:
        """A text for each frame, or why there is none; a frame that fails does not take the others along."""
        try:
            return [*self._written(frames, task, cancel)]
        except HavenError:
            raise
        except Exception as error:  # whatever the code of a model raises at what it was given
            log.warning("captioning %d frames", len(frames), exc_info=True)
            if len(frames) == 1:
                return [explain(error)]
        return [self._captions([frame], task, cancel)[0] for frame in frames]

    def _written(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> list[str]:
        inputs = self._prompts.of_pictures([frame.picture for frame in frames], [task.prompt] * len(frames))
        greedy = GenerationSettings(max_new_tokens=task.max_new_tokens, temperature=0)
        texts: list[list[int]] = [[] for _ in frames]
        writing = set(range(len(frames)))
        for step in decode(self._model, self._interrupt, inputs, greedy, cancel):
            writing = {row for row in writing if step[row] not in self._ends}
            for row in writing:
                texts[row].append(step[row])
            if not writing:
                break
        return [self._prompts.tokenizer.decode(text, skip_special_tokens=True).strip() for text in texts]

    def _tags(self, picture: Picture, task: FrameTask, cancel: CancelToken) -> dict[str, float | None]:
        """The probability of yes for every tag. Raises: ModelError, Cancelled."""
        try:
            return dict(zip(task.tags, self._yes(picture, task.questions, cancel), strict=True))
        except HavenError:
            raise
        except Exception as error:  # as above
            log.warning("asking for tags", exc_info=True)
            raise explain(error) from error

    def _yes(self, picture: Picture, questions: Sequence[str], cancel: CancelToken) -> list[float]:
        """What goes together hangs on nothing but this frame and its questions, so that the answers are the
        same to the last bit whenever they are asked."""
        endings = self._endings(questions, cancel) if self._branches and len(questions) > 1 else []
        inputs = self._prompts.of_picture(picture, questions[:1])
        row = inputs["input_ids"][0].tolist()
        two_ways = any(name.endswith("token_type_ids") for name in inputs)  # it may look ahead
        if not endings or two_ways or tuple(row[-len(endings[0]) :]) != endings[0]:
            return self._in_turn(picture, questions, cancel)
        shared = _shared(endings)
        start = len(row) - len(endings[0]) + shared
        beginning = Beginning(self._model, self._interrupt)
        beginning.read({**inputs, "input_ids": inputs["input_ids"][:, :start]}, cancel)
        own = [ending[shared:] for ending in endings]
        passes = beginning.logits_behind(own, self._tokens_at_once, cancel)
        return [yes for logits in passes for yes in self._yes_no.probabilities(logits)]

    def _endings(self, questions: Sequence[str], cancel: CancelToken) -> list[tuple[int, ...]]:
        """What stands behind the picture in each prompt; none where the prompts differ before it too."""
        around = []
        for text in questions:
            cancel.raise_if_cancelled()
            around.append(self._prompts.around_picture(text))
        found = [each for each in around if each is not None and each[0] == around[0][0] and each[1]]
        return [behind for _, behind in found] if len(found) == len(questions) else []

    def _in_turn(self, picture: Picture, questions: Sequence[str], cancel: CancelToken) -> list[float]:
        """Each with a prompt of its own, the picture in it.

        The first question goes alone, and its length says how many of the others go together.
        """
        found: list[float] = []
        together = 1
        while len(found) < len(questions):
            asked = questions[len(found) : len(found) + together]
            inputs = self._prompts.of_picture(picture, asked)
            logits = first_logits(self._model, self._interrupt, inputs, cancel)
            found += self._yes_no.probabilities(logits)
            together = max(1, self._tokens_at_once // inputs["input_ids"].shape[1])
        return found


def _shared(endings: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with; each keeps at least one of its own."""
    most = min(map(len, endings)) - 1
    columns = zip(*(ending[:most] for ending in endings), strict=True)
    return next((place for place, column in enumerate(columns) if len(set(column)) > 1), most)
