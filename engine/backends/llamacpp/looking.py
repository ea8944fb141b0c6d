"""Looking at frames: a caption each, and for every tag the probability of yes.

What all frames share is read once and kept from frame to frame; a frame's picture is read once, and each
question about it goes on from there. Knows no videos and no times.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from engine.backends.base import Frame, FrameAnswer, FrameTask
from engine.backends.llamacpp.prompts import Prompts
from engine.backends.llamacpp.sequences import FRAMES, QUESTIONS, Sequences
from engine.backends.llamacpp.units import Unit, in_common
from engine.backends.llamacpp.vocabulary import Vocabulary, written
from engine.backends.yesno import Odds, doubts, yes_no_tokens
from engine.cancel import CancelToken
from engine.errors import ModelError


class Looker:
    """Asks one model about frames."""

    def __init__(self, vocabulary: Vocabulary, prompts: Prompts, sequences: Sequences) -> None:
        """Raises: ModelError for a model that cannot say yes and no."""
        self._vocabulary, self._prompts, self._sequences = vocabulary, prompts, sequences
        self._yes, self._no = map(np.array, yes_no_tokens(vocabulary.tokens))

    def answers(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """One answer per frame, in order. Raises: Cancelled."""
        for frame in frames:
            cancel.raise_if_cancelled()
            try:
                asked = bool(task.prompt or task.tags)
                picture = self._prompts.of_picture(frame.picture) if asked else []
                caption = self._caption(picture, task, cancel) if task.prompt else ""
                found = self._tags(picture, task, cancel) if task.tags else {}
            except ModelError as error:
                yield FrameAnswer("failed", dict.fromkeys(task.tags), error=str(error))
            else:
                tags = {tag: odds.yes for tag, odds in found.items()}
                yield FrameAnswer("answered", tags, caption, doubts(found))

    def _caption(self, picture: list[Unit], task: FrameTask, cancel: CancelToken) -> str:
        """Greedy. Raises: ModelError, Cancelled."""
        leading = self._prompts.leads(task.prompt)
        before, behind = self._prompts.around_picture(task.prompt, leading)
        self._sequences.hold(FRAMES, [*before, *picture, *behind], cancel, afresh=1)
        answer: list[int] = []
        while len(answer) < task.max_new_tokens:
            token = int(self._sequences.logits().argmax())
            if self._vocabulary.is_end(token):
                break
            answer.append(token)
            if len(answer) < task.max_new_tokens:
                self._sequences.append(FRAMES, token, cancel)
        return written(self._vocabulary, answer)

    def _tags(self, picture: list[Unit], task: FrameTask, cancel: CancelToken) -> dict[str, Odds]:
        """Those of yes for every tag. Raises: ModelError, Cancelled."""
        around = [self._prompts.around_picture(text) for text in task.questions]
        before = around[0][0]
        tails = [behind for _, behind in around]
        shared = tails[0][: min(len(tail) - 1 for tail in tails)]
        for tail in tails:
            shared = shared[: in_common(shared, tail)]
        # What a long instruction takes stays in its sequence; a short one shares the picture with the tags.
        sequence = QUESTIONS if self._prompts.leads(task.prompt) else FRAMES
        self._sequences.hold(sequence, [*before, *picture, *shared], cancel)
        own = [tail[len(shared) :] for tail in tails]
        logits = self._sequences.branches(sequence, own, cancel)
        return dict(zip(task.tags, map(self._odds, logits), strict=True))

    def _odds(self, logits: np.ndarray) -> Odds:
        """Of yes and of no, each summed over the ways to write the word."""
        yes, no = _log_sum(logits[self._yes]), _log_sum(logits[self._no])
        share = float(1 / (1 + np.exp(np.clip(no - yes, -700, 700))))
        return Odds(share, float(np.exp(np.logaddexp(yes, no) - _log_sum(logits))))


def _log_sum(scores: np.ndarray) -> float:
    exact = scores.astype(np.float64)
    largest = exact.max()
    return float(largest + np.log(np.exp(exact - largest).sum()))
