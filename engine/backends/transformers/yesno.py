"""How sure a model is of yes, read from its own logits at the place where its answer would begin.

Knows a tokenizer and the meaning of logits; nothing of pictures or tags.
"""

import torch
from transformers import PreTrainedTokenizerBase

from engine.backends.yesno import Odds, yes_no_tokens


class YesNo:
    """p(yes) / (p(yes) + p(no)), each summed over the ways in which the tokenizer can begin that word.

    Raises: ModelError for a vocabulary that cannot tell the two words apart.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._yes, self._no = yes_no_tokens(lambda text: tokenizer.encode(text, add_special_tokens=False))

    def odds(self, logits: torch.Tensor) -> list[Odds]:
        """(rows, vocabulary) at the first place of an answer to the odds of yes for each row."""
        scores = logits.float()
        yes = scores[:, self._yes].logsumexp(dim=-1)
        no = scores[:, self._no].logsumexp(dim=-1)
        mass = (torch.logaddexp(yes, no) - scores.logsumexp(dim=-1)).exp()
        return [*map(Odds, torch.sigmoid(yes - no).tolist(), mass.tolist())]
