"""Models on servers that speak OpenAI's protocol: llama-server, vLLM, LM Studio, OpenAI itself."""

from engine.backends.openai.provider import OpenAIProvider

__all__ = ["OpenAIProvider"]
