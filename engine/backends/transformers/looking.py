"""Looking at frames: a caption each, and for every tag the probability of yes.

Each tag is a question of its own, answered by the model's logits. A picture is read once for all of them, and
for the caption too where a frame is looked at alone, if the model is of a kind of which it is certain that
this changes no answer. Else several questions, each with the picture, go through the model together. A long
instruction is read once for all frames that are looked at alone. Knows no videos and no times.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from engine.backends.base import Frame, FrameAnswer, FrameTask, Picture
from engine.backends.transformers.branching import Beginning, can_branch
from engine.backends.transformers.decoding import decode, end_tokens, first_logits
from engine.backends.transformers.interrupt import Interrupt
from engine.backends.transformers.loading import explain
from engine.backends.transformers.prompts import Prompts
from engine.backends.transformers.yesno import YesNo
from engine.backends.yesno import Odds, doubts
from engine.cancel import CancelToken
from engine.errors import HavenError, ModelError
from engine.settings import GenerationSettings

log = logging.getLogger(__name__)

_PER_TOKEN = frozenset({"input_ids", "attention_mask", "mm_token_type_ids"})


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
        self._instruction: tuple[tuple[int, ...], Beginning] | None = None  # the one that was read last

    def answers(self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken) -> Iterator[FrameAnswer]:
        """One answer per frame, in order; captions of all of them are written together. Raises: Cancelled."""
        beginning = Beginning(self._model, self._interrupt) if self._shares(frames, task) else None
        captions = self._captions(frames, task, cancel, beginning) if task.prompt else [""] * len(frames)
        for frame, caption in zip(frames, captions, strict=True):
            cancel.raise_if_cancelled()
            try:
                if isinstance(caption, ModelError):
                    raise caption
                found = self._tags(frame.picture, task, cancel, beginning) if task.tags else {}
            except ModelError as error:
                yield FrameAnswer("failed", dict.fromkeys(task.tags), error=str(error))
            else:
                tags = {tag: odds.yes for tag, odds in found.items()}
                yield FrameAnswer("answered", tags, caption, doubts(found))

    def _shares(self, frames: Sequence[Frame], task: FrameTask) -> bool:
        """Whether caption and tags come from one reading of the picture."""
        both = bool(task.prompt and task.tags)
        return both and len(frames) == 1 and self._branches and not self._prompts.leads(task.prompt)

    def _captions(
        self,
        frames: Sequence[Frame],
        task: FrameTask,
        cancel: CancelToken,
        beginning: Beginning | None = None,
    ) -> list[str | ModelError]:
        """A text for each frame, or why there is none; a frame that fails does not take the others along."""
        try:
            return [*self._written(frames, task, cancel, beginning)]
        except HavenError:
            raise
        except Exception as error:  # whatever the code of a model raises at what it was given
            log.warning("captioning %d frames", len(frames), exc_info=True)
            if len(frames) == 1:
                return [explain(error)]
        return [self._captions([frame], task, cancel)[0] for frame in frames]

    def _written(
        self, frames: Sequence[Frame], task: FrameTask, cancel: CancelToken, beginning: Beginning | None
    ) -> list[str]:
        """The captions. What `beginning` has read afterwards is the picture, or nothing."""
        leading = self._prompts.leads(task.prompt)
        inputs = self._prompts.of_pictures([frame.picture for frame in frames], task.prompt, leading)
        if beginning is not None:
            texts = self._decoded({**inputs, "past_key_values": beginning.cache}, task, cancel)
            beginning.cut_back(self._end_of_picture(inputs, task))
        elif leading and self._branches and len(frames) == 1:
            texts = self._behind_instruction(inputs, task, cancel)
        else:
            texts = self._decoded(inputs, task, cancel)
        return [self._prompts.tokenizer.decode(text, skip_special_tokens=True).strip() for text in texts]

    def _behind_instruction(
        self, inputs: Mapping[str, torch.Tensor], task: FrameTask, cancel: CancelToken
    ) -> list[list[int]]:
        """The caption's tokens; what stands before the picture is read once for all frames."""
        before, _ = self._prompts.around_picture(task.prompt, leading=True) or ((), ())
        if tuple(inputs["input_ids"][0, : len(before)].tolist()) != before:
            return self._decoded(inputs, task, cancel)
        known, kept = self._instruction or ((), None)
        self._instruction = None  # what is broken off below is of no more use
        if kept is None or known != before:
            kept = Beginning(self._model, self._interrupt)
            kept.read_before(before, self._tokens_at_once, cancel)
        texts = self._decoded({**inputs, "past_key_values": kept.cache}, task, cancel)
        kept.cut_back(len(before))
        self._instruction = before, kept
        return texts

    def _decoded(self, inputs: Mapping[str, Any], task: FrameTask, cancel: CancelToken) -> list[list[int]]:
        """The tokens of each row's caption."""
        greedy = GenerationSettings(max_new_tokens=task.max_new_tokens, temperature=0)
        texts: list[list[int]] = [[] for _ in inputs["input_ids"]]
        writing = set(range(len(texts)))
        for step in decode(self._model, self._interrupt, inputs, greedy, cancel):
            writing = {row for row in writing if step[row] not in self._ends}
            for row in writing:
                texts[row].append(step[row])
            if not writing:
                break
        return texts

    def _end_of_picture(self, inputs: Mapping[str, torch.Tensor], task: FrameTask) -> int:
        """How many tokens of the caption's prompt are those of the questions too; 0 where it is uncertain."""
        caption = self._prompts.around_picture(task.prompt)
        question = self._prompts.around_picture(task.questions[0])
        if caption is None or question is None or caption[0] != question[0]:
            return 0
        return _end_of_picture(inputs, caption[1])

    def _tags(
        self, picture: Picture, task: FrameTask, cancel: CancelToken, beginning: Beginning | None
    ) -> dict[str, Odds]:
        """Those of yes for every tag. Raises: ModelError, Cancelled."""
        try:
            return dict(zip(task.tags, self._yes(picture, task.questions, cancel, beginning), strict=True))
        except HavenError:
            raise
        except Exception as error:  # as above
            log.warning("asking for tags", exc_info=True)
            raise explain(error) from error

    def _yes(
        self,
        picture: Picture,
        questions: Sequence[str],
        cancel: CancelToken,
        beginning: Beginning | None,
    ) -> list[Odds]:
        """What goes together hangs on nothing but this frame and its questions, so that the answers are the
        same to the last bit whenever they are asked."""
        endings = self._endings(questions, cancel) if self._branches else []
        own = _without_shared(endings)
        if beginning is not None and beginning.length and own:
            beginning.read_on(endings[0][: -len(own[0])], cancel)
        else:
            beginning = self._read(picture, questions, endings, cancel) if len(endings) > 1 else None
        if beginning is None:
            return self._in_turn(picture, questions, cancel)
        passes = beginning.logits_behind(own, self._tokens_at_once, cancel)
        return [odds for logits in passes for odds in self._yes_no.odds(logits)]

    def _read(
        self,
        picture: Picture,
        questions: Sequence[str],
        endings: Sequence[Sequence[int]],
        cancel: CancelToken,
    ) -> Beginning | None:
        """What all prompts begin with, the picture in it; None where it is not certain where that ends."""
        inputs = self._prompts.of_picture(picture, questions[:1])
        own = len(_without_shared(endings)[0])
        if not _end_of_picture(inputs, endings[0]):
            return None
        beginning = Beginning(self._model, self._interrupt)
        beginning.read(
            {name: tensor[:, :-own] if name in _PER_TOKEN else tensor for name, tensor in inputs.items()},
            cancel,
        )
        return beginning

    def _endings(self, questions: Sequence[str], cancel: CancelToken) -> list[tuple[int, ...]]:
        """What stands behind the picture in each prompt; none where the prompts differ before it too."""
        befores, endings = set(), []
        for text in questions:
            cancel.raise_if_cancelled()
            before, behind = self._prompts.around_picture(text) or ((), ())
            befores.add(before)
            endings.append(behind)
        return endings if len(befores) == 1 and all(endings) else []

    def _in_turn(self, picture: Picture, questions: Sequence[str], cancel: CancelToken) -> list[Odds]:
        """Each with a prompt of its own, the picture in it.

        The first question goes alone, and its length says how many of the others go together.
        """
        found: list[Odds] = []
        together = 1
        while len(found) < len(questions):
            asked = questions[len(found) : len(found) + together]
            inputs = self._prompts.of_picture(picture, asked)
            logits = first_logits(self._model, self._interrupt, inputs, cancel)
            found += self._yes_no.odds(logits)
            together = max(1, self._tokens_at_once // inputs["input_ids"].shape[1])
        return found


def _end_of_picture(inputs: Mapping[str, torch.Tensor], ending: Sequence[int]) -> int:
    """How many tokens of the one row stand before `ending`; 0 where it does not end so, or may look ahead."""
    row = inputs["input_ids"][0].tolist()
    looks_ahead = "token_type_ids" in inputs  # `mm_token_type_ids` only say which tokens are of pictures
    return 0 if looks_ahead or tuple(row[-len(ending) :]) != tuple(ending) else len(row) - len(ending)


def _without_shared(endings: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Each without the tokens that all begin with; at least one is left of each."""
    if not endings:
        return []
    most = min(map(len, endings)) - 1
    columns = zip(*(ending[:most] for ending in endings), strict=True)
    shared = next((place for place, column in enumerate(columns) if len(set(column)) > 1), most)
    return [ending[shared:] for ending in endings]
