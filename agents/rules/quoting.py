"""Text from a task, made fit to stand in a document: it is quoted as words and can never become structure.

Whoever writes a task can write Markdown, HTML, terminal escapes or right-to-left marks into it. In a deliverable all of
that is shown and none of it acts: inline text is one line with its marks escaped, longer text stands in a fence that
is longer than any in it.
"""

import re
import unicodedata

__all__ = ["block", "clip", "code", "inline", "visible"]

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_SPACES = re.compile(r"\s+")
_TICKS = re.compile(r"`+")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_ALLOWED = frozenset({"\n", "\t", "\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}"})


def visible(text: str) -> str:
    """Return the text without controls and invisible marks: they could drive a terminal or turn the line around."""
    if text.isascii() and text.isprintable():
        return text
    joined = "\n".join(text.splitlines())
    return "".join(char for char in joined if char in _ALLOWED or unicodedata.category(char) not in _HIDDEN)


def clip(text: str, most: int) -> str:
    """Return at most ``most`` characters, with an ellipsis where something was cut."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def inline(text: str, most: int = 300) -> str:
    """Return the text as one escaped line, which no Markdown reader takes for anything but words."""
    line = clip(_SPACES.sub(" ", visible(text[: 8 * most])).strip(), most)
    return _MARKS.sub(r"\\\1", line)


def code(text: str, most: int = 120) -> str:
    """Return the text as inline code, in more backticks than it holds itself."""
    line = clip(_SPACES.sub(" ", visible(text[: 8 * most])).strip(), most)
    longest = max((len(run) for run in _TICKS.findall(line)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if longest or not line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def block(text: str, most: int = 2_000) -> str:
    """Return the text as a fenced block, clipped, in a fence longer than any run of backticks in it."""
    shown = clip(visible(text[: 2 * most]).strip("\n"), most)
    longest = max((len(run) for run in _TICKS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"
