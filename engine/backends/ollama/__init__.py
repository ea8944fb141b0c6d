"""Models on an Ollama server. The client library is imported when the server is first spoken to."""

from engine.backends.ollama.provider import OllamaProvider

__all__ = ["OllamaProvider"]
