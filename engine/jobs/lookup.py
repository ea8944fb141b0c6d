"""A job by its id, for everything that people ask about one."""

from engine.errors import InvalidInput
from storage.records import JobRecord
from storage.store import Store


def known_job(store: Store, job_id: str) -> JobRecord:
    """Raises: InvalidInput for an id of no job, or for what is no id."""
    job = store.job(job_id) if isinstance(job_id, str) else None
    if job is None:
        raise InvalidInput(f"There is no analysis {job_id!r:.80}; it may have been deleted.")
    return job
