"""Finding model folders on the shelf and in the Hugging Face cache."""

import json
from pathlib import Path

import pytest

from engine import catalog
from engine.errors import ModelError

NAMED = '{"chat_template": [{"name": "default", "template": "{{ messages }}"}]}'  # one of several
SEEING = {"architectures": ["LlavaForConditionalGeneration"], "vision_config": {"hidden_size": 8}}


def model(folder: Path, config: object = SEEING) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def cached(cache: Path, name: str, commits: tuple[str, ...], main: str | None) -> Path:
    repository = cache / f"models--{name.replace('/', '--')}"
    for commit in commits:
        model(repository / "snapshots" / commit)
    if main is not None:
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(main)
    return repository


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


def names(folders):
    return [folder.name for folder in folders]


def test_a_shelf_gives_its_folders_and_those_one_level_below(tmp_path):
    model(tmp_path / "tiny")
    model(tmp_path / "owner" / "big")
    model(tmp_path / "a" / "b" / "too-deep")
    model(tmp_path / ".hidden")
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.md").write_text("not a model")
    assert names(catalog.shelf_folders(tmp_path)) == ["owner/big", "tiny"]


def test_a_folder_inside_a_model_is_a_part_of_it(tmp_path):
    model(model(tmp_path / "tiny") / "vision_tower")
    assert names(catalog.shelf_folders(tmp_path)) == ["tiny"]


def test_no_shelf_and_no_cache_give_no_models(tmp_path, cache):
    assert catalog.model_folders(tmp_path / "nowhere") == []


def test_a_shelf_that_is_a_file_gives_no_models(tmp_path, cache):
    (tmp_path / "models").write_text("")
    assert catalog.model_folders(tmp_path / "models") == []


def test_the_cache_gives_the_snapshot_that_main_names(cache):
    repository = cached(cache, "owner/name", ("aaa", "bbb"), main="aaa")
    (folder,) = catalog.cache_folders(cache)
    assert folder.name == "owner/name"
    assert folder.path == repository / "snapshots" / "aaa"


@pytest.mark.parametrize("main", [None, "gone", ""])
def test_without_a_usable_main_some_snapshot_is_better_than_none(cache, main):
    cached(cache, "owner/name", ("aaa",), main)
    assert catalog.cache_folders(cache)[0].path.name == "aaa"


def test_a_half_downloaded_entry_hides_none_of_its_neighbours(cache):
    cached(cache, "owner/good", ("aaa",), "aaa")
    (cache / "models--owner--only-begun" / "blobs").mkdir(parents=True)
    (cache / "models--owner--empty" / "snapshots" / "ccc").mkdir(parents=True)
    broken = cache / "models--owner--broken" / "snapshots" / "ddd"
    broken.mkdir(parents=True)
    (broken / "config.json").symlink_to(cache / "blobs" / "gone")
    (cache / "datasets--owner--words").mkdir()
    (cache / "version.txt").write_text("1")
    assert names(catalog.cache_folders(cache)) == ["owner/good"]


def test_a_model_on_the_shelf_goes_before_the_cached_one_of_the_same_name(tmp_path, cache):
    cached(cache, "owner/name", ("aaa",), "aaa")
    cached(cache, "another/one", ("aaa",), "aaa")
    mine = model(tmp_path / "shelf" / "owner" / "name")
    found = catalog.model_folders(tmp_path / "shelf")
    assert names(found) == ["another/one", "owner/name"]
    assert found[1].path == mine


@pytest.mark.parametrize(
    ("config", "sees"),
    [
        (SEEING, True),
        ({"vision_config": {"a": 1}}, True),
        ({"architectures": ["LlavaLlamaForCausalLM"], "mm_vision_tower": "clip"}, True),
        ({"architectures": ["LlamaForCausalLM"]}, False),
        ({"architectures": ["CLIPModel"], "vision_config": {"a": 1}, "text_config": {"a": 1}}, False),
        ({"architectures": "odd"}, False),
        ({}, False),
    ],
)
def test_a_configuration_says_whether_its_model_sees_and_writes(config, sees):
    assert catalog.sees_and_writes(config) is sees


@pytest.mark.parametrize(
    ("config", "writes"),
    [
        ({"architectures": ["LlamaForCausalLM"]}, True),
        ({"architectures": ["GPT2LMHeadModel"]}, True),
        ({"architectures": ["LlavaLlamaForCausalLM"], "mm_vision_tower": "clip"}, False),
        ({"architectures": ["SpeechForCausalLM"], "audio_config": {"a": 1}}, False),
        ({"architectures": ["T5ForConditionalGeneration"]}, False),
        ({"architectures": ["LlamaForSequenceClassification"]}, False),
        ({"architectures": "odd"}, False),
        ({}, False),
        (SEEING, False),
    ],
)
def test_a_configuration_says_whether_its_model_reads_text_alone(config, writes):
    assert catalog.only_writes(config) is writes


@pytest.mark.parametrize(
    ("files", "has"),
    [
        ({}, False),
        ({"chat_template.jinja": "{{ messages }}"}, True),
        ({"tokenizer_config.json": '{"chat_template": "{{ messages }}"}'}, True),
        ({"chat_template.json": '{"chat_template": "{{ messages }}"}'}, True),
        ({"tokenizer_config.json": '{"chat_template": null}'}, False),
        ({"chat_template.jinja": "", "tokenizer_config.json": '{"chat_template": ["odd", {}]}'}, False),
        ({"tokenizer_config.json": '{"chat_template": {"default": "{{ messages }}", "a": ""}}'}, True),
        ({"tokenizer_config.json": NAMED}, True),
    ],
)
def test_a_chat_template_is_found_in_all_its_places(tmp_path, files, has):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert catalog.chat_template(tmp_path)[1] == ("{{ messages }}" if has else "")


@pytest.mark.parametrize("content", [b"{", b"[1, 2]", b"\xff\xfe", b""])
def test_a_broken_configuration_is_refused_by_name(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json"):
        catalog.read_config(tmp_path)


def test_a_folder_without_a_configuration_is_refused_by_name(tmp_path):
    with pytest.raises(ModelError, match=tmp_path.name):
        catalog.read_config(tmp_path)
