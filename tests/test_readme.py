"""The examples of the README's scripting section are one script, and it runs against a real Haven."""

import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.server import ROOT, running_haven
from tests.fixtures.hub_server import HubStandIn
from tests.fixtures.ollama_server import OllamaStandIn
from tests.fixtures.videos import constant, numbered_video

ADDRESS = "http://127.0.0.1:7860"
VIDEO = "holiday.mp4"
# What the examples download, from servers of this machine; what is in the file does not matter to them.
HUB = {"HuggingFaceTB/SmolLM2-360M-Instruct-GGUF": {"smollm2-360m-instruct-q8_0.gguf": b"GGUF" * 9_000}}


def _scripting_section() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.partition("## Scripting\n")[2].partition("\n## ")[0]


def _examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", _scripting_section(), re.DOTALL)


def _described() -> set[str]:
    prose = re.sub(r"```.*?```", "", _scripting_section(), flags=re.DOTALL)
    return set(re.findall(r"`/(\w+)", prose))


def test_the_examples_run_as_one_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    numbered_video(tmp_path / VIDEO, constant(3000, 30))
    script = "".join(_examples())
    assert ADDRESS in script
    assert VIDEO in script

    with HubStandIn(HUB) as hub, OllamaStandIn() as ollama:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("OLLAMA_HOST", ollama.url)
        names = _run(script, tmp_path / "data")

    assert names["result"]["job"]["job_id"] == names["job_id"]
    assert Path(str(names["path"])).exists()
    assert {name.strip("/") for name in names["offered"]} == _described()


def _run(script: str, data: Path) -> dict[str, Any]:
    with running_haven(data) as address:
        names: dict[str, Any] = {}
        exec(compile(script.replace(ADDRESS, address), "README.md", "exec"), names)
        names["offered"] = names["client"].view_api(return_format="dict")["named_endpoints"]
    return names


def test_every_endpoint_that_is_described_has_an_example() -> None:
    shown = set(re.findall(r'api_name="/(\w+)"', "".join(_examples())))

    assert _described() == shown
