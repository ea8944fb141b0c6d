"""Runs vlm-engine on one video, as its guide says. For the peer's own environment: imports nothing of Haven.

`python vlm_engine_run.py VIDEO SERVER TAGS INTERVAL`, with TAGS as a JSON list, prints a JSON object: the
seconds from the call to the result, with all loaded before, and the spans by tag. Its rules on how long a tag
must hold are set to their least, so that it drops nothing.
"""

import asyncio
import json
import logging
import sys
import time

from vlm_engine import VLMEngine
from vlm_engine.config_models import EngineConfig

CATEGORY = "actiondetection"  # the only one that it knows
INPUTS = ["video_path", "return_timestamps", "time_interval", "threshold"]
INPUTS += ["return_confidence", "vr_video", "existing_video_data", "skipped_categories"]
STEPS = ("result_coalescer", "result_finisher", "batch_awaiter", "video_result_postprocessor")


def config(server: str, tags: list[str], interval: float) -> EngineConfig:
    """Its video pipeline with one model on one server."""
    model = {
        "type": "vlm_model",
        "model_file_name": "oracle",
        "model_category": CATEGORY,
        "model_id": "oracle",
        "model_identifier": 1,
        "model_version": "1.0",
        "tag_list": tags,
        "use_multiplexer": True,
        "multiplexer_endpoints": [{"base_url": server, "api_key": "none", "name": "oracle", "weight": 1}],
    }
    video = "binary_search_processor_dynamic"
    steps = {name: {"type": "python", "model_file_name": name} for name in STEPS}
    rules = {"MinMarkerDuration": "0.001s", "MaxGap": f"{interval}s", "RequiredDuration": "0.001s"}
    return EngineConfig(
        active_ai_models=["oracle"],
        models={
            "oracle": model,
            video: {"type": "binary_search_processor", "model_file_name": video},
            **steps,
        },
        pipelines={
            "video_pipeline_dynamic": {
                "inputs": INPUTS,
                "output": "results",
                "short_name": "dynamic_video",
                "version": 1.0,
                "models": [{"name": "dynamic_video_ai", "inputs": INPUTS, "outputs": "results"}],
            }
        },
        category_config={CATEGORY: {tag: {"RenamedTag": tag, "TagThreshold": 0.5, **rules} for tag in tags}},
    )


async def main(video: str, server: str, tags: str, interval: str) -> None:
    """Analyse it, and print what came out."""
    engine = VLMEngine(config(server, json.loads(tags), float(interval)))
    await engine.initialize()
    began = time.perf_counter()
    result = await engine.process_video(video, frame_interval=float(interval))
    seconds = time.perf_counter() - began
    found = result["video_tag_info"]["tag_timespans"].get(CATEGORY, {})
    spans = {tag: [(span["start"], span["end"]) for span in each] for tag, each in found.items()}
    print(json.dumps({"seconds": seconds, "spans": spans}))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main(*sys.argv[1:]))
