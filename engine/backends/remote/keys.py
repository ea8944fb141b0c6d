"""Keys of servers in the system's keyring, each under the address that it belongs to.

The package `keyring` and a keyring behind it are optional. A key that went in is never shown again.
"""

from importlib.util import find_spec

from engine.errors import InvalidInput

SERVICE = "haven"
_SAFE = (
    1.0  # the priority from which on the package recommends a keyring; below, it keeps plain text or nothing
)
_MOST = 4_096  # characters


def key_of(url: str) -> str:
    """The key that the system keeps for this address; empty where it keeps none, or has no keyring."""
    if find_spec("keyring") is None:
        return ""
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, url) or ""
    except KeyringError:  # locked, or no backend on this machine: the same as having none
        return ""


def why_no_keyring() -> str:
    """Why no key can be kept, and what to do instead; empty where one can."""
    if find_spec("keyring") is None:
        why = "The package keyring is not installed"
    else:
        import keyring

        if keyring.get_keyring().priority >= _SAFE:
            return ""
        why = "This system has no safe keyring"
    return (
        f"{why}, so no key can be kept. Name the server in the environment and start Haven again: "
        'HAVEN_OPENAI_SERVERS="lab=https://host/v1" and HAVEN_OPENAI_KEY_LAB with its key.'
    )


def keep_key(url: str, key: str) -> None:
    """Raises: InvalidInput for what is no key, and where there is no keyring, or it refuses."""
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > _MOST:
        raise InvalidInput(
            "The key must be on one line, of plain letters, figures and signs, without blanks."
        )
    why = why_no_keyring()
    if why:
        raise InvalidInput(why)
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, url, key)
    except KeyringError:
        raise InvalidInput("The system's keyring did not take the key. Unlock it, and try again.") from None


def forget_key(url: str) -> None:
    """Raises: InvalidInput where the keyring has it and does not let go."""
    if not key_of(url):
        return
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(SERVICE, url)
    except KeyringError:
        raise InvalidInput(
            f"The system's keyring did not forget the key of {url}. Remove it there."
        ) from None
