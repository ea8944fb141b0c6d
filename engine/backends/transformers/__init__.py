"""Language models through Hugging Face transformers. Torch is imported when one is checked."""

from engine.backends.transformers.provider import TransformersProvider

__all__ = ["TransformersProvider"]
