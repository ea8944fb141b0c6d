"""The providers, by id. Each is imported when it is first asked for, so that the page starts without them."""

from importlib import import_module

from engine.backends.base import Provider
from engine.errors import InvalidInput

_PLACES = {
    "builtin": ("engine.backends.builtin", "BuiltinProvider"),
    "llamacpp": ("engine.backends.llamacpp", "LlamaCppProvider"),
    "transformers": ("engine.backends.transformers", "TransformersProvider"),
    "ollama": ("engine.backends.ollama", "OllamaProvider"),
    "openai": ("engine.backends.openai", "OpenAIProvider"),
}
PROVIDER_IDS = tuple(_PLACES)


def provider(provider_id: str) -> Provider:
    """Raises: InvalidInput for an id that is not in `PROVIDER_IDS`."""
    if provider_id not in _PLACES:
        raise InvalidInput(f"There is no provider {provider_id!r}. Pick one of: {', '.join(PROVIDER_IDS)}.")
    module, name = _PLACES[provider_id]
    return getattr(import_module(module), name)()
