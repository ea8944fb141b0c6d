"""The Jobs tab: what its rows do."""

from asyncio import run

from ui import jobs
from ui.stage import Staged


def test_the_history_opens_resumes_and_deletes(house, engine, job):
    engine.change(job.job_id, status="interrupted")
    shown, _, _ = run(jobs.on_history_act(house, "resume", job.job_id))
    assert (Staged.from_json(shown).job, engine.job(job.job_id).status) == (job.job_id, "running")
    assert Staged.from_json(run(jobs.on_history_act(house, "open", job.job_id))[0]).name == "lake.mp4"
    run(jobs.on_history_act(house, "delete", job.job_id))
    assert job.job_id not in engine.known_jobs
    assert "There is no analysis" in run(jobs.on_history_act(house, "open", job.job_id))[2]
