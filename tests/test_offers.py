"""The catalogue of models worth getting: read strictly, and compared with what this machine has."""

import shutil
from pathlib import Path

import pytest

from engine import offers
from engine.errors import InvalidInput
from engine.events.models import Fit
from engine.memory import Room
from engine.offers import CATALOG, folder_of, read_catalog

TINY = Path(__file__).parent / "fixtures" / "tiny_model"
ENTRY = """
[[model]]
id = "tiny"
label = "Tiny"
provider = "llamacpp"
repo = "lab/Tiny-GGUF"
revision = "main"
files = ["tiny.gguf", "mmproj-tiny.gguf"]
vision = true
download_bytes = 1000
memory_bytes = 2000
licence = "MIT"
licence_url = "https://licences.example/mit"
about = "For a test."
"""
FOLDER = ENTRY.replace("llamacpp", "transformers").replace("Tiny-GGUF", "tiny")
FOLDER = FOLDER.replace('["tiny.gguf", "mmproj-tiny.gguf"]', '["*.json", "*.safetensors"]')
ROOM = Room(10**9)  # bytes


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def written(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return path


def only(shelf: Path, text: str, there: Room = ROOM):
    shelf.mkdir(exist_ok=True)
    (offer,) = offers.offers(shelf, there, written(shelf, text))
    return offer


def test_the_catalogue_that_comes_with_haven_offers_a_dozen_and_both_kinds():
    listed = read_catalog(CATALOG)
    assert len(listed) >= 12
    assert {(offer.provider, offer.vision) for offer in listed} == {
        (provider, sees) for provider in ("llamacpp", "transformers") for sees in (True, False)
    }


def test_in_the_catalogue_what_sees_with_llamacpp_comes_with_its_projector():
    for offer in read_catalog(CATALOG):
        if offer.provider == "llamacpp":
            projectors = [name for name in offer.files if "mmproj" in name]
            assert len(projectors) == offer.vision, offer.id
            assert len(offer.files) == 1 + offer.vision, offer.id


def test_an_entry_is_read_whole(tmp_path):
    (offer,) = read_catalog(written(tmp_path, ENTRY))
    assert (offer.id, offer.label, offer.repo, offer.files) == (
        *("tiny", "Tiny", "lab/Tiny-GGUF"),
        ("tiny.gguf", "mmproj-tiny.gguf"),
    )
    assert (offer.vision, offer.download_bytes, offer.memory_bytes) == (True, 1000, 2000)
    assert (offer.here, offer.fits) == (False, Fit())


def test_an_empty_catalogue_offers_nothing(tmp_path):
    assert read_catalog(written(tmp_path, "")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("vision = true", "vision = ", r"damaged.*line 9"),
        ('label = "Tiny"', "", r"model 1 \(tiny\): label must be a text"),
        ('label = "Tiny"', "label = 5", "label must be a text"),
        ('id = "tiny"', 'id = "../tiny"', "id must be of small letters"),
        ("lab/Tiny-GGUF", "lab", "repo must be owner/name"),
        ("lab/Tiny-GGUF", "lab/..", "repo must be owner/name"),
        ("llamacpp", "magic", "provider must be one of llamacpp, transformers"),
        ("1000", "-1", "download_bytes must be a whole number"),
        ("2000", "true", "memory_bytes must be a whole number"),
        ("vision = true", 'vision = "yes"', "vision must be true or false"),
        ("tiny.gguf", "tiny.bin", "'tiny.bin' is not fetched"),
        ("tiny.gguf", "model.py", "'model.py' is not fetched"),
        ("tiny.gguf", "../tiny.gguf", "is not fetched"),
        ('["tiny.gguf", "mmproj-tiny.gguf"]', "[]", "files must be a list"),
        ("https://", "ftp://", "licence_url must begin with https://"),
        ('about = "For a test."', 'about = "For a test."\nprice = 5', "'price', which no model has"),
        ("[[model]]", "[model]", r"begins with a line \[\[model\]\]"),
    ],
)
def test_what_is_wrong_is_said_by_line_or_entry(tmp_path, old, new, said):
    assert old in ENTRY
    with pytest.raises(InvalidInput, match=said):
        read_catalog(written(tmp_path, ENTRY.replace(old, new, 1)))


def test_two_models_of_one_id_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="two models 'tiny'"):
        read_catalog(written(tmp_path, ENTRY + ENTRY))


def test_a_catalogue_that_is_gone_or_no_text_is_said(tmp_path):
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_catalog(tmp_path / "catalog.toml")
    path = written(tmp_path, ENTRY)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="damaged"):
        read_catalog(path)


def test_a_pair_of_files_in_any_folder_of_the_shelf_is_here(tmp_path):
    shelf = tmp_path / "shelf"
    assert not only(shelf, ENTRY).here
    (shelf / "mine").mkdir()
    (shelf / "mine" / "tiny.gguf").write_bytes(b"GGUF")
    assert not only(shelf, ENTRY).here  # it would not see
    (shelf / "mine" / "mmproj-tiny.gguf").write_bytes(b"GGUF")
    assert only(shelf, ENTRY).here


@pytest.mark.parametrize("place", ["tiny", "lab/tiny"])
def test_a_folder_on_the_shelf_is_here_once_it_is_whole(tmp_path, place):
    shelf = tmp_path / "shelf"
    (shelf / place).mkdir(parents=True)
    for path in TINY.iterdir():
        if path.suffix != ".safetensors":
            shutil.copy(path, shelf / place)
    assert not only(shelf, FOLDER).here
    shutil.copy(TINY / "model.safetensors", shelf / place)
    assert only(shelf, FOLDER).here


def test_a_model_in_the_hugging_face_cache_is_here(tmp_path, cache):
    shutil.copytree(TINY, cache / "models--lab--tiny" / "snapshots" / "aaa")
    assert only(tmp_path / "shelf", FOLDER).here


def test_gguf_goes_into_one_folder_and_others_under_their_owner(tmp_path):
    assert str(folder_of(only(tmp_path / "shelf", ENTRY))) == "Tiny-GGUF"
    assert str(folder_of(only(tmp_path / "shelf", FOLDER))) == "lab/tiny"


def test_an_offer_is_compared_with_the_memory_that_is_free_now(tmp_path):
    large = ENTRY.replace("memory_bytes = 2000", f"memory_bytes = {10**10}")
    for there, fits, said in (
        (Room(10**10), True, ""),
        (Room(10**9, "tiny", 10**10), True, "Fits when tiny is closed"),
        (
            Room(10**9, "tiny", 10**9),
            False,
            "Needs 10.0 GB of memory; 2.0 GB are free, even with tiny closed",
        ),
    ):
        told = only(tmp_path / "shelf", large, there).fits
        assert told.fits is fits
        assert told.said.startswith(said) and bool(told.said) is bool(said)
