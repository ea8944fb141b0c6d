"""Jobs: analyses that run on the engine's own threads and live in the database, whoever watches."""

from engine.jobs.runner import JobRunner

__all__ = ["JobRunner"]
