"""Which token comes next. Knows the library's samplers; nothing of what the tokens mean."""

from collections.abc import Iterator
from contextlib import contextmanager

import llama_cpp.llama_cpp as lib

from engine.backends.llamacpp.loading import Loaded
from engine.settings import GenerationSettings

_ANY_SEED = 0xFFFFFFFF  # lets the library take another one each time


class Sampler:
    """Chooses behind the last token that was computed."""

    def __init__(self, context: int, chain: int) -> None:
        self._context, self._chain = context, chain

    def next_token(self) -> int:
        return int(lib.llama_sampler_sample(self._chain, self._context, -1))


@contextmanager
def sampler(loaded: Loaded, settings: GenerationSettings) -> Iterator[Sampler]:
    """Greedy at temperature 0; else temperature, top-k and top-p in that order, as transformers has them."""
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    try:
        for link in _links(settings):
            lib.llama_sampler_chain_add(chain, link)
        yield Sampler(loaded.context, chain)
    finally:
        lib.llama_sampler_free(chain)


def _links(settings: GenerationSettings) -> list[int]:
    if settings.temperature == 0:
        return [lib.llama_sampler_init_greedy()]
    seed = _ANY_SEED if settings.seed == -1 else settings.seed
    links = [lib.llama_sampler_init_temp(settings.temperature)]
    if settings.top_k:
        links.append(lib.llama_sampler_init_top_k(settings.top_k))
    return [*links, lib.llama_sampler_init_top_p(settings.top_p, 1), lib.llama_sampler_init_dist(seed)]
