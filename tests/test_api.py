"""The scripting API as scripts use it: gradio_client against a real server, every endpoint, errors too."""

import itertools
import json
from pathlib import Path

import httpx
import pytest
from fake_engine import FRAMES, FakeEngine
from gradio_client import handle_file
from gradio_client.exceptions import AppError

JOB_VIEW = {
    "job_id", "video", "status", "reason", "provider", "model", "frames_done", "frames_total", "progress",
    "eta_seconds", "frames_per_second", "latest", "error", "tags", "prompt", "created_at", "duration",
    "writing", "lacks_summary", "can_narrow",
}  # fmt: skip
STATUS = {"state", "provider", "model", "vision", "memory_bytes", "generation", "busy", "last_error"}
GENERATION = {"max_new_tokens", "temperature", "top_p", "top_k", "seed", "system_prompt"}
JSON = {"content-type": "application/json"}
ENDPOINTS = {
    "/providers": [],
    "/models": ["provider"],
    "/switch_model": ["provider", "model", "when_busy", "options"],
    "/cancel_switch": [],
    "/unload_model": [],
    "/status": [],
    "/generation": [],
    "/set_generation": ["max_new_tokens", "temperature", "top_p", "top_k", "seed", "system_prompt"],
    "/analyze_video": ["video", "tags", "prompt", "interval", "options"],
    "/submit_video": ["video", "tags", "prompt", "interval", "options"],
    "/job": ["job_id"],
    "/cancel_job": ["job_id"],
    "/pause_job": ["job_id"],
    "/resume_job": ["job_id"],
    "/delete_job": ["job_id"],
    "/jobs": ["status", "limit"],
    "/job_result": ["job_id"],
    "/export_job": ["job_id", "format"],
    "/export_formats": [],
    "/save_beside": ["job_id", "overwrite"],
    "/read_spans": ["file"],
    "/chat": ["message", "session_id", "images"],
    "/stop_chat": ["session_id"],
    "/sessions": [],
    "/session": ["session_id"],
    "/rename_session": ["session_id", "title"],
    "/delete_session": ["session_id"],
    "/catalog": [],
    "/download_model": ["offer_id"],
    "/cancel_download": ["offer_id"],
    "/pull_model": ["name"],
    "/spans": ["job_id"],
    "/span_settings": ["job_id"],
    "/set_span_settings": ["job_id", "settings"],
    "/correct_span": ["job_id", "tag", "old", "new"],
    "/undo_correction": ["job_id"],
    "/compare_jobs": ["job_id", "other_id"],
    "/search": ["query", "limit"],
    "/folders": [],
    "/watch_folder": ["folder", "tags", "prompt", "interval", "options", "recursive", "pattern"],
    "/forget_folder": ["folder_id"],
    "/scan_library": ["folder_id"],
    "/library": ["search", "state", "folder_id", "limit", "offset"],
    "/retry_video": ["file_id"],
    "/queue": ["limit"],
    "/pause_all": [],
    "/resume_all": [],
    "/cancel_all": [],
    "/move_job": ["job_id", "where"],
    "/disk_use": [],
    "/clear_disk": ["kind"],
    "/saved_prompts": [],
    "/save_prompt": ["name", "prompt", "tags"],
    "/delete_prompt": ["name"],
    "/servers": [],
    "/save_server": ["name", "base_url", "key", "old_name"],
    "/remove_server": ["name"],
    "/set_ollama": ["address"],
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return FakeEngine(tmp_path_factory.mktemp("engine"))


@pytest.fixture
def video(tmp_path):
    place = tmp_path / "lake.mp4"
    place.write_bytes(b"a video, as far as the fake engine is concerned")
    return place


@pytest.fixture
def job(client, video):
    return client.predict(str(video), "boat", api_name="/submit_video")


def test_these_endpoints_and_no_others_are_public(client):
    found = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    named = {name: [one["parameter_name"] for one in info["parameters"]] for name, info in found.items()}
    assert named == ENDPOINTS


def test_only_what_must_be_given_is_required(client):
    found = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    required = {
        name: [one["parameter_name"] for one in info["parameters"] if not one["parameter_has_default"]]
        for name, info in found.items()
    }
    assert required["/analyze_video"] == required["/submit_video"] == ["video"]
    assert required["/switch_model"] == ["provider", "model"]
    assert required["/jobs"] == required["/set_generation"] == []


def test_providers_and_models_are_listed(client):
    providers = client.predict(api_name="/providers")
    assert set(providers[0]) == {"id", "label", "available", "reason"}
    models = client.predict("transformers", api_name="/models")
    assert models[0] == {
        "name": "tiny", "provider": "transformers", "vision": True, "size_bytes": 1_900_000, "detail": "",
    }  # fmt: skip


def test_an_unknown_provider_is_named_in_the_error(client):
    with pytest.raises(AppError, match="There is no provider 'nonsense'"):
        client.predict("nonsense", api_name="/models")


def test_a_switch_is_watched_to_its_end(client, engine):
    stream = client.submit("transformers", "tiny", api_name="/switch_model")
    first = next(iter(stream))
    assert first == {"phase": "loading", "progress": 0.43, "message": "Loading tiny"}
    engine.finish_switch(True, "tiny", "Ready")
    last = list(stream)[-1]
    assert set(last) == {
        "phase", "progress", "message", "success", "provider", "model", "seconds", "interruption_seconds",
    }  # fmt: skip
    assert (last["success"], last["provider"], last["model"]) == (True, "transformers", "tiny")
    assert client.predict(api_name="/status")["model"] == "tiny"


def test_a_switch_that_fails_says_so_and_does_not_raise(client):
    last = list(client.submit("transformers", "no-such", api_name="/switch_model"))[-1]
    assert (last["success"], last["message"]) == (False, "There is no model 'no-such'.")


def test_options_of_a_switch_that_have_no_names_are_refused(client):
    last = list(client.submit("builtin", "scene-facts", "refuse", "x", api_name="/switch_model"))[-1]
    assert not last["success"]
    assert last["message"] == (
        "The options of a model must be given by name, as in {'name': value}; not as 'x'."
    )


def test_options_and_policy_of_a_switch_arrive(client, engine):
    client.predict("builtin", "scene-facts", "cancel", {"dtype": "float32"}, api_name="/switch_model")
    assert engine.asked[-1] == ("begin_switch", "builtin", "scene-facts", "cancel", {"dtype": "float32"})


def test_cancelling_and_unloading_give_the_status(client, engine):
    engine.begin_switch("transformers", "tiny")
    cancelled = client.predict(api_name="/cancel_switch")
    assert set(cancelled) == STATUS
    assert cancelled["state"] == "ready"
    assert client.predict(api_name="/unload_model")["provider"] == "builtin"


def test_generation_settings_are_read_and_changed(client):
    assert set(client.predict(api_name="/generation")) == GENERATION
    changed = client.predict(temperature=0.1, seed=7, api_name="/set_generation")
    assert (changed["temperature"], changed["seed"]) == (0.1, 7)
    with pytest.raises(AppError, match="temperature must be from 0 to 2, not 9"):
        client.predict(temperature=9, api_name="/set_generation")
    assert client.predict(api_name="/generation") == changed


def test_a_video_of_this_machine_is_analysed_by_its_path(client, engine, video):
    stream = client.submit(
        str(video), "boat, sun", "What is here?", 0.5, {"max_frames": 20}, api_name="/analyze_video"
    )
    views = iter(stream)
    first = next(views)
    assert set(first) == JOB_VIEW
    asked = engine.asked[-2][1]
    assert (asked.video, asked.tags, asked.prompt, asked.uploaded) == (
        video,
        ("boat", "sun"),
        "What is here?",
        False,
    )
    assert (float(asked.sampling.interval), asked.sampling.max_frames) == (0.5, 20)
    engine.work(first["job_id"], FRAMES)
    last = list(views)[-1]
    assert last["status"] == "completed"
    assert set(last["result"]) == {"job", "frames", "spans", "summary"}
    frame = last["result"]["frames"][0]
    assert set(frame) == {"index", "time", "state", "tags", "caption", "facts", "error", "thumbnail", "raw"}
    assert frame["tags"] == {"boat": 0.9, "sun": 0.2}


def test_leaving_the_stream_does_not_cancel_the_job(client, engine, video):
    stream = client.submit(str(video), "boat", api_name="/analyze_video")
    first = next(iter(stream))
    stream.cancel()
    assert client.predict(first["job_id"], api_name="/job")["status"] == "running"
    assert ("cancel_job", first["job_id"]) not in engine.asked


def test_two_streams_do_not_wait_for_each_other(client, engine, video):
    one = iter(client.submit(str(video), "boat", api_name="/analyze_video"))
    other = iter(client.submit(str(video), "sun", api_name="/analyze_video"))
    first, second = next(one), next(other)
    assert first["job_id"] != second["job_id"]
    for view, stream in ((second, other), (first, one)):
        engine.work(view["job_id"], FRAMES)
        assert list(stream)[-1]["status"] == "completed"


def test_an_upload_is_marked_as_one(client, engine, video):
    client.predict(handle_file(str(video)), "boat", api_name="/submit_video")
    asked = next(given[1] for given in reversed(engine.asked) if given[0] == "submit_video")
    assert asked.uploaded
    assert asked.name == "lake.mp4"
    assert asked.video.read_bytes() == video.read_bytes()
    assert asked.video != video


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("{video}",), "Say what to look for"),
        (("{video}", "boat", "", 0), "interval must be from 0.001"),
        (("{video}", "boat", "", -1.5), "interval must be from 0.001"),
        (("{video}", "boat", "", "soon"), "interval must be a number"),
        (("{video}", "boat", "", 1, {"colour": 1}), "no setting 'colour'"),
        (("{video}", "boat", "", 1, {"start": 5, "end": 2}), "must come after start"),
        (("{video}.not", "boat"), "There is no file"),
        (("", "boat"), "Give a video"),
        ((17, "boat"), "Give a video"),
        (("{video}", None), "Say what to look for"),
        (("{video}", 5), "tags must be a text or a list of texts"),
        (("{video}", "x" * 140_000), "a tag has at most 200 characters"),
        (("{video}", "boat", "", 1, "x"), "options of an analysis must be given by name"),
        (("{video}", "boat", "", 10**400), "interval must be from 0.001 to 86400"),
    ],
)
@pytest.mark.parametrize("endpoint", ["/submit_video", "/analyze_video"])
def test_bad_input_is_refused_with_what_is_wrong(client, engine, video, endpoint, given, message):
    before = len(engine.known_jobs)
    filled = [one.format(video=video) if isinstance(one, str) else one for one in given]
    with pytest.raises(AppError, match=message):
        client.predict(*filled, api_name=endpoint)
    assert len(engine.known_jobs) == before


def test_a_job_is_paused_resumed_cancelled_and_deleted(client, job):
    steps = [("/pause_job", "paused"), ("/resume_job", "running"), ("/cancel_job", "cancelled")]
    for endpoint, status in steps:
        assert client.predict(job["job_id"], api_name=endpoint)["status"] == status
    assert client.predict(job["job_id"], api_name="/delete_job")["job_id"] == job["job_id"]
    with pytest.raises(AppError, match="There is no analysis"):
        client.predict(job["job_id"], api_name="/job")


@pytest.mark.parametrize(
    "endpoint", ["/job", "/pause_job", "/resume_job", "/cancel_job", "/delete_job", "/job_result"]
)
def test_an_unknown_job_is_named(client, endpoint):
    with pytest.raises(AppError, match="There is no analysis 'nothing'"):
        client.predict("nothing", api_name=endpoint)


def test_jobs_are_listed_newest_first_and_by_status(client, job):
    listed = client.predict(api_name="/jobs")
    assert listed[0]["job_id"] == job["job_id"]
    assert len(client.predict("", 1, api_name="/jobs")) == 1
    client.predict(job["job_id"], api_name="/cancel_job")
    assert {one["status"] for one in client.predict("cancelled", api_name="/jobs")} == {"cancelled"}


def test_a_result_and_its_export_hold_the_frames(client, engine, job):
    engine.work(job["job_id"], 3)
    assert len(client.predict(job["job_id"], api_name="/job_result")["frames"]) == 3
    file = Path(client.predict(job["job_id"], "json", api_name="/export_job"))
    assert "boat" in file.read_text()
    with pytest.raises(AppError, match="no export as 'exe'"):
        client.predict(job["job_id"], "exe", api_name="/export_job")


def test_no_answer_has_a_key_that_the_client_would_take_for_a_file(client, engine, job):
    engine.work(job["job_id"], 1)
    answers = [
        client.predict(job["job_id"], api_name="/job_result"),
        client.predict(api_name="/jobs"),
        client.predict(api_name="/status"),
        client.predict("builtin", api_name="/models"),
    ]
    assert "path" not in set(itertools.chain.from_iterable(map(_keys, answers)))


def test_an_error_is_text_and_not_markup(client, engine):
    engine.fails["models"] = ValueError("<b>a defect</b>")
    try:
        with pytest.raises(AppError, match="Something went wrong inside Haven") as caught:
            client.predict("builtin", api_name="/models")
    finally:
        engine.fails.clear()
    assert "<b>" not in str(caught.value)


def _keys(value):
    if isinstance(value, dict):
        return {*value, *itertools.chain.from_iterable(map(_keys, value.values()))}
    return set(itertools.chain.from_iterable(map(_keys, value))) if isinstance(value, list) else set()


WRONG_TYPES = {
    "a provider that is a list": ("/models", ([],), "provider must be a text"),
    "a model that is a list": ("/switch_model", ("builtin", [1]), "model must be a text"),
    "a job that is a number": ("/job", (10**30,), "job_id must be a text"),
    "a chat that is a list": ("/session", ([1, None],), "session_id must be a text"),
    "pictures that are a number": ("/chat", ("hi", "", 5), "images must be a list"),
    "a download that is a list": ("/download_model", ([],), "offer_id must be a text"),
    "a pull of nothing": ("/pull_model", (None,), "name must be a text"),
    "a server that is true": ("/save_server", (True, "http://127.0.0.1:9"), "name must be a text"),
}


@pytest.mark.parametrize(("endpoint", "args", "said"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_an_argument_of_another_type_is_refused_by_name(client, endpoint, args, said):
    with pytest.raises(AppError, match=said):
        client.predict(*args, api_name=endpoint)


@pytest.mark.parametrize("call", [("job", ["\ud800"]), ("set_generation", [None] * 5 + ["\ud800sys"])])
def test_half_a_character_is_refused_before_it_is_kept(client, call):
    endpoint, data = call
    body = json.dumps({"data": data})
    asked = httpx.post(f"{client.src}gradio_api/call/{endpoint}", content=body, headers=JSON).json()
    answer = httpx.get(f"{client.src}gradio_api/call/{endpoint}/{asked['event_id']}").text
    assert "event: error" in answer and "half a character" in answer


def test_none_stands_for_what_an_argument_is_by_default(client):
    assert client.predict(None, api_name="/jobs") == client.predict(api_name="/jobs")
