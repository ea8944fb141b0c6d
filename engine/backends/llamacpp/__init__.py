"""GGUF models through llama.cpp, in this process. The library is imported when a model is checked."""

from engine.backends.llamacpp.provider import LlamaCppProvider

__all__ = ["LlamaCppProvider"]
