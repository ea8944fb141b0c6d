"""What a server's `/models` says, in its various dialects: names, sight, context, identity.

The protocol only promises an `id`; llama-server, vLLM and others add what they know. Knows no client.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Listed:
    """One model of a server. `vision` is None where the server does not say."""

    id: str
    digest: str  # of the address, the name, and what the server says of the weights
    vision: bool | None
    context_length: int  # tokens; 0 where the server does not say
    size_bytes: int
    detail: str


def read_listing(url: str, told: object) -> list[Listed]:
    """The models of a decoded answer of `url`. Raises: ValueError when it has another shape."""
    if not isinstance(told, Mapping) or not isinstance(told.get("data"), Sequence):
        raise ValueError("no list of models")
    can = {
        str(each.get("model") or each.get("name")): each.get("capabilities")
        for each in told.get("models") or ()  # llama-server says there what it can
        if isinstance(each, Mapping)
    }
    return [
        _listed(url, each, can.get(str(each["id"])))
        for each in told["data"]
        if isinstance(each, Mapping) and each.get("id")
    ]


def _listed(url: str, model: Mapping[str, Any], can: object) -> Listed:
    about = model.get("meta")
    meta: Mapping[str, Any] = about if isinstance(about, Mapping) else {}
    identity = json.dumps([url, model["id"], model.get("root"), dict(meta)], sort_keys=True, default=str)
    parameters = _whole(meta.get("n_params"))
    return Listed(
        id=str(model["id"]),
        digest=hashlib.sha256(identity.encode()).hexdigest(),
        vision=_vision(model, can),
        context_length=_whole(model.get("max_model_len") or meta.get("n_ctx") or meta.get("n_ctx_train")),
        size_bytes=_whole(meta.get("size")),
        detail=f"{parameters / 1e9:.1f}B" if parameters else "",
    )


def _vision(model: Mapping[str, Any], can: object) -> bool | None:
    if isinstance(can, list):
        return "multimodal" in can or "vision" in can
    architecture = model.get("architecture")
    takes = architecture.get("input_modalities") if isinstance(architecture, Mapping) else None
    return "image" in takes if isinstance(takes, list) else None


def _whole(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 < value < math.inf else 0
