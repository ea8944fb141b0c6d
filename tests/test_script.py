"""A script's whole way, nothing faked: gradio_client, the server, the engine, a model, real video files."""

import pytest
from gradio_client import Client, handle_file
from serving import served

from engine.engine import Engine
from storage.store import Store
from tests.fixtures.videos import changed, colour_video, constant, flipped, half, numbered_video

COLOURS = ["red", "blue", "green", "yellow"]


@pytest.fixture(scope="module")
def client(tmp_path_factory, fixtures):
    data = tmp_path_factory.mktemp("data")
    engine = Engine(Store.open(data), fixtures)
    engine.start()
    try:
        with served(engine, data) as address:
            made = Client(address, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))
            yield made
            made.close()
    finally:
        engine.close()


@pytest.fixture(scope="module")
def fixtures(request):
    return request.config.rootpath / "tests" / "fixtures"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


@pytest.fixture(scope="module")
def colours(films):
    """A second of each colour."""
    return colour_video(films / "colours.mp4", COLOURS).path


@pytest.fixture
def tiny(client):
    """The tiny model serves while a test runs."""
    assert switched(client, "transformers", "tiny_model")["success"]
    yield
    assert switched(client, "builtin", "scene-facts")["success"]


def switched(client, provider, model):
    return list(client.submit(provider, model, "cancel", api_name="/switch_model"))[-1]


def analysed(client, video, *asked):
    """The last view of an analysis, with its result."""
    return list(client.submit(str(video), *asked, api_name="/analyze_video"))[-1]


def test_a_model_is_switched_to_and_names_the_colours(client, tiny, colours):
    tags = ", ".join(COLOURS)
    last = analysed(client, colours, tags, "What colour is this picture?", 1.0)
    assert (last["status"], last["model"]) == ("completed", "tiny_model")
    frames = last["result"]["frames"]
    assert len(frames) == 5  # the last second ends with a sample too
    for frame, colour in zip(frames, [*COLOURS, "yellow"], strict=True):
        assert [tag for tag, sure in frame["tags"].items() if sure >= 0.5] == [colour]
        assert colour in frame["caption"].lower()
    assert [(span["tag"], round(span["start"])) for span in last["result"]["spans"]] == [
        (colour, place) for place, colour in enumerate(COLOURS)
    ]


def test_a_run_that_is_cancelled_keeps_what_was_found(client, tiny, colours):
    stream = iter(client.submit(str(colours), "red, blue", "", 0.01, api_name="/analyze_video"))
    begun = next(view for view in stream if view["frames_done"] > 2)
    client.predict(begun["job_id"], api_name="/cancel_job")
    last = list(stream)[-1]
    assert last["status"] == "cancelled"
    assert 2 < last["frames_done"] < last["frames_total"]
    assert len(last["result"]["frames"]) == last["frames_done"]


@pytest.mark.parametrize(("damage", "total"), [(half, "about 41"), (flipped, "41")])
def test_a_damaged_video_says_how_many_frames_were_read(client, films, damage, total):
    whole = numbered_video(films / "whole.mp4", constant(120), muxing={"movflags": "faststart"}).path
    broken = changed(films / f"{damage.__name__}.mp4", whole, damage)
    last = analysed(client, broken, "moving", "", 0.1)
    assert last["status"] == "completed_with_errors"
    read = sum(frame["state"] == "answered" for frame in last["result"]["frames"])
    assert 0 < read < 41
    assert f"{read} of {total} frames were read" in last["error"]


def test_five_hundred_tags_arrive_and_one_more_is_refused(client, tiny, colours):
    tags = [f"thing {number}" for number in range(500)]
    job = client.predict(str(colours), ", ".join(tags), api_name="/submit_video")
    client.predict(job["job_id"], api_name="/cancel_job")
    assert job["tags"] == tags
    with pytest.raises(Exception, match="501 tags are too many"):
        client.predict(str(colours), ", ".join([*tags, "more"]), api_name="/submit_video")


def test_tags_with_quotes_commas_and_emoji_arrive_as_they_were_written(client, tiny, colours):
    wanted = ["red, round sign", 'a "quoted" word', "⛵", "👩‍🚀 in space", "it's"]
    written = '"red, round sign", "a ""quoted"" word", ⛵, 👩‍🚀 in space, it\'s'
    last = analysed(client, colours, written, "", 2.0, {"max_frames": 1})
    assert last["tags"] == wanted
    assert list(last["result"]["frames"][0]["tags"]) == wanted


def test_an_upload_is_known_by_the_name_it_had(client, colours):
    job = client.predict(handle_file(str(colours)), "moving", "", 1.0, api_name="/submit_video")
    assert job["video"] == "colours.mp4"
