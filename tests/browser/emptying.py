"""Makes a Haven that several modules look at as it was at first, by its public API."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from gradio_client import Client

from tests.running import until

ALL = 10_000
# What nobody is told of once the job or the model is gone that it belongs to. A model of a server that was
# removed is not among it: whoever names that server again says how its model is loaded.
UNTOLD = (
    "SELECT 'correction of ' || tag FROM span_correction "
    "UNION ALL SELECT key FROM setting "
    "WHERE key LIKE 'options/%' AND key NOT LIKE 'options/openai/%' AND value != '{}'"
)


def empty(scripts: Client, generation: dict[str, Any]) -> None:
    """At the end nothing is there, and the built-in model serves; models write as `generation` says."""
    scripts.predict(api_name="/cancel_switch")
    for folder in scripts.predict(api_name="/folders"):
        scripts.predict(folder["folder_id"], api_name="/forget_folder")
    scripts.predict(api_name="/cancel_all")
    scripts.predict(api_name="/resume_all")  # else nothing of the library would be queued again
    for session in scripts.predict(api_name="/sessions"):
        scripts.predict(session["session_id"], api_name="/delete_session")
    until(lambda: scripts.predict(api_name="/status")["busy"], lambda busy: not busy)
    for job in _jobs(scripts):
        for _ in range(scripts.predict(job, api_name="/spans")["corrections"]):
            scripts.predict(job, api_name="/undo_correction")
    for job in _jobs(scripts):
        scripts.predict(job, api_name="/delete_job")
    for saved in scripts.predict(api_name="/saved_prompts"):
        scripts.predict(saved["name"], api_name="/delete_prompt")
    scripts.predict(api_name="/unload_model")
    for server in scripts.predict(api_name="/servers")["openai"]:
        if server["named_by"] == "page":
            scripts.predict(server["name"], api_name="/remove_server")
    scripts.predict("", api_name="/set_ollama")
    scripts.predict(**generation, api_name="/set_generation")


def what_is_there(scripts: Client, data: Path) -> dict[str, Any]:
    """All that a test may have left behind."""
    status = scripts.predict(api_name="/status")
    with closing(sqlite3.connect(f"file:{data / 'haven.db'}?mode=ro", uri=True)) as database:
        untold = [what for (what,) in database.execute(UNTOLD)]
    return {
        "jobs": _jobs(scripts),
        "queue": scripts.predict(api_name="/queue"),
        "folders": scripts.predict(api_name="/folders"),
        "library": scripts.predict(api_name="/library"),
        "sessions": scripts.predict(api_name="/sessions"),
        "saved prompts": scripts.predict(api_name="/saved_prompts"),
        "servers": scripts.predict(api_name="/servers"),
        "generation": scripts.predict(api_name="/generation"),
        "status": [status[name] for name in ("state", "provider", "model", "busy")],
        "untold": untold,
    }


def _jobs(scripts: Client) -> list[str]:
    return [job["job_id"] for job in scripts.predict(limit=ALL, api_name="/jobs")]
