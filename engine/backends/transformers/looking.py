"""Looking at frames: a caption each, and for every tag the probability of yes.

Each tag is a question of its own, answered by the model's logits; several questions about one frame go
through the model together. Knows no videos and no times.
"""

import logging
from collections.abc import Iterator, Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.backends.base import Frame, FrameAnswer, FrameTask, Picture
from engine.backends.transformers.decoding import decode, end_tokens, first_logits
from engine.backends.transformers.interrupt import Interrupt
from engine.backends.transformers.loading import explain
from engine.backends.transformers.prompts import Prompts
from engine.backends.transformers.yesno import YesNo
from engine.cancel import CancelToken
from engine.errors import HavenError, ModelError
from engine.settings import GenerationSettings
from engine.video.tags import question

log = logging.getLogger(__name__)


class Looker:
    """Asks one model about frames. `tokens_at_once` bounds what one pass reads."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        prompts: Prompts,
        interrupt: Interrupt,
        tokens_at_once: int,
    ) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._prompts, self._interrupt = prompts, interrupt
        self._tokens_at_once = tokens_at_once
        self._yes_no = YesNo(tokenizer)
        self._ends = end_tokens(model)

    def answers(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """One answer per frame, in order; captions of all of them are written together. Raises: Cancelled."""
        captions = self._captions(frames, task, cancel) if task.prompt else [""] * len(frames)
        for frame, caption in zip(frames, captions, strict=True):
            cancel.raise_if_cancelled()
            try:
                if isinstance(caption, ModelError):
                    raise caption
                tags = self._tags(frame.picture, task.tags, cancel) if task.tags else {}
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
        return [self._tokenizer.decode(text, skip_special_tokens=True).strip() for text in texts]

    def _tags(self, picture: Picture, tags: Sequence[str], cancel: CancelToken) -> dict[str, float | None]:
        """The probability of yes for every tag. Raises: ModelError, Cancelled."""
        try:
            return dict(zip(tags, self._yes(picture, [question(tag) for tag in tags], cancel), strict=True))
        except HavenError:
            raise
        except Exception as error:  # as above
            log.warning("asking for tags", exc_info=True)
            raise explain(error) from error

    def _yes(self, picture: Picture, questions: Sequence[str], cancel: CancelToken) -> list[float]:
        """The first question goes alone, and its length says how many of the others go together.

        What goes together hangs on nothing but this frame and its questions, so that the answers are the
        same to the last bit whenever they are asked.
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
