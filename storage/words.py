"""Text as it is searched, where neither upper and lower case nor the way a letter is written counts.

For every script that Unicode knows. Nor do accents count where people leave them out: on Latin letters, as
in SQLite's full-text index, and on Greek ones, which have none in capitals. Elsewhere a mark makes another
letter. Knows no table, but for what of a library's file is searched.
"""

import json
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import product

DOTLESS = "ı"  # the capital of which is that of i
_MOST_DOTS = 4  # letters of a word that are each looked for with and without a dot


def folded(text: str) -> str:
    """Two texts that differ only in that are the same text after it; in one line, as it is compared by lines.

    By the canonical caseless matching of the Unicode standard (section 3.13), without accents, then composed.
    """
    plain = text.encode(errors="replace").decode().replace("\0", "\ufffd").replace("\n", " ")
    if plain.isascii():
        return plain.lower()
    cased = unicodedata.normalize("NFD", plain).casefold().replace(DOTLESS, "i")
    return unicodedata.normalize("NFC", _without_accents(unicodedata.normalize("NFD", cased)))


def _without_accents(decomposed: str) -> str:
    kept, bears = [], False
    for letter in decomposed:
        is_mark = unicodedata.combining(letter) > 0
        if not is_mark:
            bears = _bears_accents(letter)
        if not (is_mark and bears):
            kept.append(letter)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _bears_accents(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("LATIN ", "GREEK "))


def words_of_file(name: str | bytes, found: str) -> str:
    """What is searched of a file: a line for its name, and one for each of its tags, which are JSON.

    A name that is no UTF-8 comes as its bytes.
    """
    named = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
    return "\n".join(map(folded, (named, *json.loads(found))))


def ways_to_write(word: str) -> Iterator[str]:
    """A word, and what else it may be written as where SQLite's full-text index takes that for another one.

    Of the index's own folding it needs no more than what that does not know: letters of several, such as ß
    and SS, an i without a dot, scripts that had one case when it was made, and marks that stand behind their
    letters.
    """
    composed = unicodedata.normalize("NFC", word)
    yield composed
    if "ss" in composed:
        yield composed.replace("ss", "ß")
    yield from _with_and_without_dots(composed)
    if not composed.isascii():
        for way in (composed.casefold(), composed.upper()):
            yield unicodedata.normalize("NFC", way)
            yield unicodedata.normalize("NFD", way)


def _with_and_without_dots(word: str) -> Iterator[str]:
    first, *others = word.replace(DOTLESS, "i").split("i")
    ways = product("i" + DOTLESS, repeat=len(others)) if len(others) <= _MOST_DOTS else ("i", DOTLESS)
    for dots in ways:
        dots = dots * len(others) if isinstance(dots, str) else dots
        yield first + "".join(dot + part for dot, part in zip(dots, others, strict=True))
