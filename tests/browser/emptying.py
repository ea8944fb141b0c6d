"""Makes a Haven that several modules look at as it was at first, by its public API."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gradio_client import Client

from tests.running import until

ALL = 10_000
TOLD = (
    "/jobs",
    "/queue",
    "/folders",
    "/library",
    "/sessions",
    "/saved_prompts",
    "/servers",
    "/generation",
    "/status",
)
GENERATION = ("max_new_tokens", "temperature", "top_p", "top_k", "seed", "system_prompt")
# What nobody is told of once the job or the model is gone that it belongs to. A model of a server that was
# removed is not among it: whoever names that server again says how its model is loaded.
UNTOLD = (
    "SELECT 'correction of ' || tag FROM span_correction "
    "UNION ALL SELECT key FROM setting "
    "WHERE key LIKE 'options/%' AND key NOT LIKE 'options/openai/%' AND value != '{}'"
)


def empty(scripts: Client, generation: dict[str, Any]) -> None:
    """At the end nothing is there, and the built-in model serves; models write as `generation` says."""
    _, folders, sessions = asked(scripts, ["/cancel_switch"], ["/folders"], ["/sessions"])
    asked(scripts, *(["/forget_folder", folder["folder_id"]] for folder in folders))
    asked(scripts, ["/cancel_all"], *(["/delete_session", session["session_id"]] for session in sessions))
    until(lambda: scripts.predict(api_name="/status")["busy"], lambda busy: not busy)
    jobs = _jobs(scripts)
    for job, spans in zip(jobs, asked(scripts, *(["/spans", job] for job in jobs)), strict=True):
        if spans["corrections"]:  # of its video, which other jobs may be about, too
            for _ in range(scripts.predict(job, api_name="/spans")["corrections"]):
                scripts.predict(job, api_name="/undo_correction")
    prompts, servers = asked(scripts, ["/saved_prompts"], ["/servers"])
    asked(
        scripts,
        ["/unload_model"],
        ["/resume_all"],  # else nothing of the library would be queued again
        ["/set_generation", *(generation[name] for name in GENERATION)],
        *(["/delete_job", job] for job in jobs),
        *(["/delete_prompt", prompt["name"]] for prompt in prompts),
    )
    for server in servers["openai"]:
        if server["named_by"] == "page":
            scripts.predict(server["name"], api_name="/remove_server")
    if servers["ollama"]:
        scripts.predict("", api_name="/set_ollama")


def what_is_there(scripts: Client, data: Path) -> dict[str, Any]:
    """All that a test may have left behind."""
    found = dict(zip(TOLD, asked(scripts, *([endpoint] for endpoint in TOLD)), strict=True))
    found["/status"] = {name: found["/status"][name] for name in ("state", "provider", "model", "busy")}
    with closing(sqlite3.connect(f"file:{data / 'haven.db'}?mode=ro", uri=True)) as database:
        found["untold"] = [what for (what,) in database.execute(UNTOLD)]
    return found


def asked(scripts: Client, *questions: Sequence[Any]) -> list[Any]:
    """The answers to endpoints, each with what it is given.

    One after the other: a client has one stream for all, which the server closes behind the last answer, and
    who asks at that moment is told that it was cancelled.
    """
    return [scripts.predict(*given, api_name=endpoint) for endpoint, *given in questions]


def _jobs(scripts: Client) -> list[str]:
    return [job["job_id"] for job in scripts.predict(limit=ALL, api_name="/jobs")]
