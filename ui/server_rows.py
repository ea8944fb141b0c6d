"""The servers that models may come from, as HTML for the Models tab. Escapes all that it shows."""

from html import escape

from engine.events.models import ServersView, ServerView
from ui.download_cards import button

NO_KEYS = (
    '<p class="quiet">Only if it needs one. It is kept in the system’s keyring and never shown again.</p>'
)
_SURE = ' data-sure="Remove it and its key"'


def parts(servers: ServersView) -> dict[str, str]:
    """The parts of the page, by name."""
    rows = "".join(map(_row, servers.openai)) or '<li class="quiet">None is named yet.</li>'
    ollama = f' data-ollama="{escape(servers.ollama)}" data-usual="{escape(servers.usual_ollama)}"'
    keys = f'<p class="quiet">{escape(servers.no_keyring)}</p>' if servers.no_keyring else NO_KEYS
    return {"models-servers": f'<ul class="servers"{ollama}>{rows}</ul>', "models-keys": keys}


def _row(server: ServerView) -> str:
    name, url = escape(server.name), escape(server.base_url)
    key = " · has a key" if server.has_key else ""
    return (
        f'<li class="model"><span class="model-text"><b title="{name}">{name}</b>'
        f'<span class="model-where" title="{url}">{url}{key}</span></span>'
        f'<span class="model-acts">{_acts(server)}</span></li>'
    )


def _acts(server: ServerView) -> str:
    if server.named_by == "environment":
        return '<span class="quiet" title="Change it where Haven is started">From the environment</span>'
    name, url = escape(server.name), escape(server.base_url)
    change = (
        f'<button type="button" class="small" data-server-change data-name="{name}" data-url="{url}" '
        f'aria-label="Change {name}">Change</button>'
    )
    return change + button("remove_server", server.name, "Remove", server.name, _SURE)
