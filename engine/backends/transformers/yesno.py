"""How sure a model is of yes, read from its own logits at the place where its answer would begin.

Knows a tokenizer and the meaning of logits; nothing of pictures or tags.
"""

from collections.abc import Iterable

import torch
from transformers import PreTrainedTokenizerBase

from engine.errors import ModelError

_YES = ("yes", "Yes", "YES", " yes", " Yes", " YES")
_NO = ("no", "No", "NO", " no", " No", " NO")


class YesNo:
    """p(yes) / (p(yes) + p(no)), each summed over the ways in which the tokenizer can begin that word.

    Of the ways to write a word, those that are one token count; only where none is, the first tokens
    do. A token that could begin both words counts for neither.

    Raises: ModelError for a vocabulary that cannot tell the two words apart.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        yes, no = _beginnings(tokenizer, _YES), _beginnings(tokenizer, _NO)
        self._yes, self._no = sorted(yes - no), sorted(no - yes)
        if not self._yes or not self._no:
            raise ModelError("The model's vocabulary cannot tell yes from no, so it cannot answer tags.")

    def probabilities(self, logits: torch.Tensor) -> list[float]:
        """(rows, vocabulary) at the first place of an answer to a probability of yes for each row."""
        scores = logits.float()
        yes = scores[:, self._yes].logsumexp(dim=-1)
        no = scores[:, self._no].logsumexp(dim=-1)
        return torch.sigmoid(yes - no).tolist()


def _beginnings(tokenizer: PreTrainedTokenizerBase, words: Iterable[str]) -> set[int]:
    written = [tokenizer.encode(word, add_special_tokens=False) for word in words]
    whole = {tokens[0] for tokens in written if len(tokens) == 1}
    return whole or {tokens[0] for tokens in written if tokens}
