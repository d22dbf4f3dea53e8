"""Making anybody's text harmless on a terminal, and showing numbers as people read them.

A task's text is hostile: it may hold terminal escapes, marks that turn the direction of writing around, or Rich's own
markup. So nothing of it is ever handed to Rich as a string; it goes through an ``Ink``, which gives ``Text``.
"""

import re
import unicodedata

from rich.console import Console
from rich.text import Text

from graph.intake_text import clean

__all__ = ["STATUS_STYLES", "Ink", "duration"]

STATUS_STYLES = {
    "pending": "dim",
    "in_progress": "cyan",
    "done": "green",
    "completed": "green",
    "refused": "yellow",
    "blocked": "yellow",
    "failed": "red",
    "cancelled": "red",
}

_ASCII = str.maketrans({"→": "->", "…": "...", "·": "-", "●": "#", "○": ".", "✓": "+", "✗": "x", "—": "-"})
_MARKS = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{5,}")
_JOINER = "\u200d"


class Ink:
    """Turns text into Rich ``Text`` that an output of the given encoding can show."""

    def __init__(self, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self._unicode = encoding.lower().replace("-", "").startswith("utf")

    @classmethod
    def of(cls, console: Console) -> "Ink":
        """Return the ink for what the console writes to."""
        return cls(console.encoding)

    def text(self, value: object, style: str = "", *, limit: int = 500) -> Text:
        """Return the value on one line, without anything that a terminal would obey, and not longer than ``limit``."""
        return Text(self.plain(value, limit=limit), style=style)

    def plain(self, value: object, *, limit: int = 500) -> str:
        """Return what ``text`` shows, as a string."""
        line = " ".join(clean("" if value is None else str(value)).split())
        if len(line) > limit:
            line = line[: limit - 1] + "…"
        if not line.isascii():
            line = _MARKS.sub("\ufffd", "".join(filter(_harmless, line)))
        if self._unicode:
            return line
        return line.translate(_ASCII).encode(self._encoding, "replace").decode(self._encoding)


def duration(seconds: object) -> str:
    """Return a duration in the two units that matter: '12 ms', '1.5 s', '3 min 5 s', '2 h 10 min'."""
    if not isinstance(seconds, int | float) or not 0 <= seconds < 1e12:
        return "?"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3_600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    return f"{int(seconds) // 3_600} h {int(seconds) % 3_600 // 60} min"


def _harmless(char: str) -> bool:
    """Tell whether the character only shows itself: format characters turn or hide what stands around them."""
    return char == _JOINER or unicodedata.category(char) not in {"Cf", "Cc", "Cs", "Zl", "Zp"}
