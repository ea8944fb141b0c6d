"""The scripting API: named endpoints with plain JSON in and out, for `gradio_client`.

Names, order and defaults of the arguments are a promise to people's scripts. Nothing is computed in any of
its modules; what may block runs on threads of its own, so that an open page never waits for a script.
"""

from ui import (
    chat_api,
    exports,
    jobs_api,
    library_api,
    models_api,
    prompts,
    servers_api,
    serving_api,
    spans_api,
)
from ui.endpoints import offer
from ui.house import House

PARTS = (
    serving_api,
    jobs_api,
    library_api,
    chat_api,
    models_api,
    prompts,
    exports,
    spans_api,
    servers_api,
)


def wire(house: House) -> None:
    """Add every endpoint to the page that is being built."""
    for part in PARTS:
        offer(*part.endpoints(house))
