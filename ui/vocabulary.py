"""The tags that a model knows, as chips to click, where it knows a fixed list."""

from html import escape

from ui.house import House


def vocabulary_chips(house: House) -> str:
    """HTML of the chips; empty when the active model takes any tag."""
    known = house.engine.backend_info().tag_vocabulary
    if not known:
        return ""
    chips = "".join(
        f'<button type="button" class="chip pick" data-tag="{escape(tag)}">{escape(tag)}</button>'
        for tag in known
    )
    return (
        '<details class="vocabulary"><summary>This model knows '
        f'{len(known)} tags. Click to add one.</summary><div class="chips">{chips}</div></details>'
    )
