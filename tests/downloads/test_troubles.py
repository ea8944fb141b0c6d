"""What goes wrong with a download, and what is said of it."""

import pytest

from engine.backends.llamacpp.provider import LlamaCppProvider
from engine.download_run import FULL
from engine.errors import InvalidInput
from engine.hub import HubLine
from tests.fetching import EYES, WEIGHTS, begun, failure, got, loadable, view


def test_an_unknown_model_is_refused(shop):
    with pytest.raises(InvalidInput, match="no model 'nothing'"):
        shop().start("nothing")


def test_no_network_says_so_and_that_what_is_here_still_works(shop):
    said = failure(shop(endpoint="http://127.0.0.1:9"))
    assert said == (
        "There is no connection to 127.0.0.1:9. Check the network. "
        "Models that are on this machine still work."
    )


def test_a_name_that_cannot_be_looked_up_is_no_network(shop):
    assert "no connection to hub.invalid" in failure(shop(endpoint="http://hub.invalid"))


@pytest.mark.parametrize("endpoint", ["hub", "ftp://hub", "http://", "http://[::1"])
def test_an_address_that_is_none_is_said(shop, endpoint):
    assert "HF_ENDPOINT is no address of a server" in failure(shop(endpoint=endpoint))


def test_offline_by_wish_asks_nobody(shop, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in failure(shop())
    assert hub.asked == []


def test_a_gated_model_says_where_its_terms_are_accepted(shop, hub):
    hub.gated.add("lab/Tiny-GGUF")
    said = failure(shop())
    assert "accept its terms" in said and f"{hub.url}/lab/Tiny-GGUF" in said and "HF_TOKEN" in said


def test_a_repository_that_is_gone_is_named(shop, hub):
    del hub.repos["lab/Tiny-GGUF"]
    assert "has no model lab/Tiny-GGUF" in failure(shop())


def test_a_file_that_is_gone_from_the_repository_is_named(shop, hub):
    del hub.repos["lab/Tiny-GGUF"]["tiny.gguf"]
    assert "lab/Tiny-GGUF does not have tiny.gguf any more" in failure(shop())


def test_a_repository_with_pickled_weights_only_is_refused(shop, hub):
    del hub.repos["lab/tiny"]["model.safetensors"]
    assert "no weights that are safe to open" in failure(shop(), "folder")


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (429, {"Retry-After": "90"}, "no more requests now and asks to wait 90 s (429)"),
        (429, {}, "no more requests now (429)"),
        (500, {}, "failed (500). Try again later."),
        (403, {}, "shows it to its owners only (403)"),
        (
            401,
            {"X-Error-Message": "Invalid credentials in Authorization header"},
            "does not accept the access",
        ),
    ],
)
def test_a_refusal_has_a_sentence_of_its_own(shop, hub, status, headers, said):
    hub.refuse["/api/models/lab/Tiny-GGUF"] = status, headers
    assert said in failure(shop())


def test_a_server_that_is_no_hub_is_said(shop, hub):
    hub.refuse["/api/"] = 200, {}
    assert "does not answer as a Hugging Face hub does" in failure(shop())


def test_a_damaged_transfer_is_thrown_away_and_can_be_had_again(shop, hub, shelf):
    downloads = shop()
    hub.damaged.add("tiny.gguf")
    assert "tiny.gguf arrived damaged" in failure(downloads)
    assert view(downloads).done_bytes == len(EYES)
    assert loadable(LlamaCppProvider, shelf) == []
    hub.damaged.clear()
    assert got(downloads).state == "completed"


def test_a_damaged_small_file_is_found_too(shop, hub):
    hub.damaged.add("config.json")
    assert "config.json arrived damaged" in failure(shop(), "folder")


def test_a_disk_without_room_says_how_much_is_missing_before_anything_is_fetched(shop, hub, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 0))
    said = failure(shop())
    assert "no room for Tiny" in said and "0.2 GB of space are missing" in said
    assert not hub.sent


def test_a_disk_that_fills_up_on_the_way_keeps_what_is_here(shop, hub, monkeypatch):
    from engine.staging import Part

    add = Part.add

    def full(part, chunk):
        if part.size_bytes > 300_000:
            raise OSError(28, "No space left on device")
        add(part, chunk)

    downloads = shop()
    monkeypatch.setattr(Part, "add", full)
    assert failure(downloads) == FULL
    assert view(downloads).done_bytes > 300_000
    monkeypatch.setattr(Part, "add", add)
    assert got(downloads).state == "completed"
    assert hub.sent["tiny.gguf"] < 2 * len(WEIGHTS)


def test_a_shelf_that_may_not_be_written_is_said(shop, shelf):
    (shelf / ".downloads").write_text("in the way")
    assert "cannot be written" in failure(shop())


def test_a_damaged_catalogue_is_said_and_what_is_under_way_is_still_shown(shop, hub, tmp_path):
    downloads = shop()
    begun(downloads, hub)
    (tmp_path / "catalog.toml").write_text("[[model")
    with pytest.raises(InvalidInput, match="damaged"):
        downloads.offers()
    assert view(downloads).state == "downloading"
    downloads.cancel("tiny")


def test_a_note_of_a_download_that_is_damaged_is_made_anew(shop, hub, shelf):
    first = shop()
    begun(first, hub)
    first.close()
    (shelf / ".downloads" / "tiny" / "plan.json").write_text("{")
    downloads = shop()
    assert view(downloads).total_bytes == 0
    hub.hang_after.clear()
    assert got(downloads).state == "completed"
    assert hub.sent["tiny.gguf"] == len(WEIGHTS)


def test_a_line_that_was_hung_up_before_it_connected_connects_to_nothing(hub):
    line = HubLine(hub.url)
    line.hang_up()
    with pytest.raises(Exception, match=r"broke off|no connection"):
        line.listing("lab/Tiny-GGUF", "main")
    line.close()
