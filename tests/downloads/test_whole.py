"""A whole download: what is asked for, where it ends up, and how fast it is."""

import pytest

from engine.backends.llamacpp.provider import LlamaCppProvider
from engine.backends.transformers.provider import TransformersProvider
from engine.download_run import Speed
from tests.fetching import EYES, TINY_FILES, WEIGHTS, files, got, left, loadable
from tests.fixtures.hub_server import COMMIT, git_id, sha256


def test_a_gguf_and_its_projector_end_up_in_one_folder_as_a_model_that_sees(shop, hub, shelf):
    done = got(shop())
    assert (done.state, done.progress, done.done_bytes) == ("completed", 1.0, len(WEIGHTS) + len(EYES))
    assert done.total_bytes == done.done_bytes
    assert str(shelf / "Tiny-GGUF") in done.message
    assert files(shelf / "Tiny-GGUF") == {"tiny.gguf": WEIGHTS, "mmproj-tiny.gguf": EYES}
    (entry,) = LlamaCppProvider().models(shelf)
    assert (entry.name, entry.vision) == ("Tiny-GGUF/tiny", True)


def test_a_folder_ends_up_under_its_owner_as_a_model_that_can_be_loaded(shop, hub, shelf):
    assert got(shop(), "folder").state == "completed"
    assert loadable(TransformersProvider, shelf) == ["lab/tiny"]


def test_nothing_but_safe_weights_and_plain_texts_of_the_topmost_folder_is_asked_for(shop, hub, shelf):
    got(shop(), "folder")
    kept = {name for name in TINY_FILES if name.endswith((".json", ".safetensors"))}
    assert set(files(shelf / "lab" / "tiny")) == kept
    assert not [each.path for each in hub.asked if "pytorch" in each.path or ".py" in each.path]


def test_the_offer_says_that_it_is_here_afterwards(shop):
    downloads = shop()
    assert [offer.here for offer in downloads.offers()] == [False] * 4
    got(downloads)
    assert downloads.offers()[0].here


def test_nothing_is_left_in_the_staging_folder(shop, shelf):
    got(shop())
    assert left(shelf) == []


def test_what_lies_on_the_shelf_already_is_not_fetched_again(shop, hub, shelf):
    (shelf / "Tiny-GGUF").mkdir()
    (shelf / "Tiny-GGUF" / "tiny.gguf").write_bytes(WEIGHTS)
    done = got(shop())
    assert (done.state, done.done_bytes) == ("completed", len(WEIGHTS) + len(EYES))
    assert dict(hub.sent) == {"mmproj-tiny.gguf": len(EYES)}
    assert loadable(LlamaCppProvider, shelf) == ["Tiny-GGUF/tiny"]
    assert got(shop()).state == "completed"
    assert dict(hub.sent) == {"mmproj-tiny.gguf": len(EYES)}


def test_a_second_download_fetches_what_the_hub_has_anew(shop, hub, shelf):
    downloads = shop()
    got(downloads)
    hub.repos["lab/Tiny-GGUF"]["tiny.gguf"] = WEIGHTS[::-1]
    assert got(downloads).state == "completed"
    assert (shelf / "Tiny-GGUF" / "tiny.gguf").read_bytes() == WEIGHTS[::-1]


def test_the_library_reads_the_stand_in_as_it_reads_the_hub(hub, imported):
    info = imported.HfApi(endpoint=hub.url, token=False).model_info(
        "lab/Tiny-GGUF", revision="main", files_metadata=True
    )
    assert info.sha == COMMIT
    sizes = {
        each.rfilename: (each.size, each.lfs and each.lfs.sha256, each.blob_id) for each in info.siblings
    }
    assert sizes["tiny.gguf"] == (len(WEIGHTS), sha256(WEIGHTS), git_id(WEIGHTS))
    assert sizes["README.md"] == (1, None, git_id(b"#"))


def test_a_key_goes_to_the_hub_and_not_to_where_the_bytes_are(shop, hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    got(shop())
    assert {each.headers.get("authorization") for each in hub.asked} == {"Bearer hf_secret"}
    assert hub.store.asked
    assert not [each for each in hub.store.asked if "authorization" in each.headers]


def test_the_speed_is_that_of_the_last_seconds_and_unknown_at_first_and_at_rest():
    now = [0.0]
    speed = Speed(lambda: now[0])
    speed.add(1000)
    assert speed.now() is None
    for second in range(1, 11):
        now[0] = second
        speed.add(1000 + second * 500)
    assert speed.now() == pytest.approx(500)
    now[0] = 60.0
    assert speed.now() is None or speed.now() < 100
    speed.add(10)  # begun anew
    assert speed.now() is None
