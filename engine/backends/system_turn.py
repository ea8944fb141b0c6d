"""A system turn for models whose chat template knows none. Knows no template."""

from collections.abc import Sequence

from engine.backends.base import Message


def without_system(messages: Sequence[Message]) -> list[Message]:
    """Their text goes before that of the first turn that is none; it is left out where there is none."""
    instructions = [message.text for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    if not instructions or not rest:
        return rest
    first = rest[0]
    return [Message(first.role, "\n\n".join([*instructions, first.text]), first.images), *rest[1:]]
