"""Text of anybody's marked as data in a prompt, in a way that no text can end by itself.

A block begins with ``<data from="…">`` and ends with ``</data>``. Inside, whatever could be read as either of these,
in any case and with any white space or invisible marks in it, has its ``<`` written as ``&lt;``. So the only tags in a
prompt are the ones that were put there, whatever a task, a file or a tool's result holds, and the same text always
gives the same prompt: a delimiter of random letters would do the former and not the latter.
"""

import re

__all__ = ["data", "left_out", "without_tags"]

_HIDDEN = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
_GAP = rf"[\s\x00-\x1f\x7f-\x9f{_HIDDEN}]*"
_TAG = re.compile(
    rf"[<\uff1c\ufe64]{_GAP}(?=(?:[/\\\u2215\uff0f]{_GAP})?d{_GAP}a{_GAP}t{_GAP}a(?![a-z0-9_-]))", re.IGNORECASE
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def without_tags(text: str) -> str:
    """Return the text without anything that could be read as the beginning or the end of a block of data."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _TAG.sub("&lt;", _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", lines))


def data(name: str, text: str, *, most: int = 20_000) -> str:
    """Return the text as a block of data.

    Args:
        name: what it is, in the squad's own words: nothing of anybody else's belongs in there, be it an id.
        text: anything.
        most: so many characters of it are shown; where something is cut, the block says how much.
    """
    return f'<data from="{name}">\n{without_tags(text[:most])}{left_out(text, most)}\n</data>'


def left_out(text: str, most: int) -> str:
    """Return the line that says how much of a text is not shown, where that is so."""
    return f"\n[{len(text) - most} further characters are left out]" if len(text) > most else ""
