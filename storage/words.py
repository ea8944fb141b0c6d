"""Text as it is searched, where neither upper and lower case nor the way a letter is written counts.

For every script that Unicode knows. Knows no table, but for what of a library's file is searched.
"""

import json
import unicodedata
from collections.abc import Iterator


def folded(text: str) -> str:
    """Two texts that differ only in that are the same text after it; in one line, as it is compared by lines.

    By the canonical caseless matching of the Unicode standard (section 3.13), then composed.
    """
    plain = text.encode(errors="replace").decode().replace("\0", "\ufffd").replace("\n", " ")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", plain).casefold())


def words_of_file(name: str | bytes, found: str) -> str:
    """What is searched of a file: a line for its name, and one for each of its tags, which are JSON.

    A name that is no UTF-8 comes as its bytes.
    """
    named = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return "\n".join(map(folded, (named, *json.loads(found))))


def ways_to_write(word: str) -> Iterator[str]:
    """A word, and what else it may be written as where SQLite's full-text index takes that for another one.

    Of the index's own folding it needs no more than what that does not know: letters of several, such as ß
    and SS, scripts that had one case when it was made, and marks that stand behind their letters.
    """
    composed = unicodedata.normalize("NFC", word)
    yield composed
    if "ss" in composed:
        yield composed.replace("ss", "ß")
    if not composed.isascii():
        for way in (composed.casefold(), composed.upper()):
            yield unicodedata.normalize("NFC", way)
            yield unicodedata.normalize("NFD", way)
