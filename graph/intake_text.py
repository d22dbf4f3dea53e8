"""What every form of a task's text needs: cleaning, a title of one line, and the ``Task`` put together."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from pydantic import ValidationError

from delegation import InputError, Priority, Task

__all__ = ["MAX_TITLE", "assemble", "clean", "first_line", "is_visible", "shown"]

MAX_TITLE = 300
"""Characters; a longer title is shortened, and kept whole in the description."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*+[ -/]*+[@-~]"  # colours and cursor movements
    r"|\x1b[\]P^_X][^\x07\x1b]*+(?:\x07|\x1b\\)"  # titles, links and other strings
    r"|\x1b[@-Z\\^_]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_CONTROLS: dict[int, str | None] = {
    **dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0xFEFF]),
    **{ord(char): char for char in "\t\n"},
    **{ord(char): "\n" for char in "\x0b\x0c\x85\u2028\u2029"},
}
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Mn", "Zl", "Zp", "Zs"})


def clean(text: str) -> str:
    r"""Return the text without terminal escapes, control characters and lone surrogates, its lines ending in \n."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SURROGATES.sub("\ufffd", _ESCAPES.sub("", text)).translate(_CONTROLS)


def is_visible(text: str) -> bool:
    """Tell whether the text holds anything that a reader would see."""
    return any(unicodedata.category(char) not in _INVISIBLE for char in text)


def first_line(text: str) -> tuple[str, str]:
    """Split the text into its first visible line and what follows it."""
    lines = text.split("\n")
    number = next((i for i, line in enumerate(lines) if is_visible(line)), 0)
    return lines[number].strip(), "\n".join(lines[number + 1 :]).strip("\n")


def shown(value: object, limit: int = 80) -> str:
    """Return the value as it stands in an error: quoted, on one line, harmless to a terminal, not too long."""
    text = value if isinstance(value, str) else str(value)
    return ascii_safe(repr(text if len(text) <= limit else text[: limit - 1] + "…"))


def ascii_safe(text: str) -> str:
    """Return the text on one line with everything that a terminal would not print escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def assemble(
    source: str,
    *,
    title: str,
    description: str = "",
    criteria: Sequence[str] = (),
    labels: Sequence[str] = (),
    priority: Priority | None = None,
    deadline: datetime | None = None,
) -> Task:
    """Put the task together; a title that is too long is cut at a word, and kept whole in the description.

    Title and labels are cleaned here, since the escapes of YAML and JSON can spell what the text did not hold.

    Raises:
        InputError: There is no title, or the parts make no task.
    """
    title = " ".join(clean(title).split())
    if not is_visible(title):
        raise InputError(f"{source} holds no title", hint="begin with a line that says what is to be done")
    description = _trim(description)
    if len(title) > MAX_TITLE:
        description = f"{title}\n\n{description}".strip()
        title = _shorten(title)
    try:
        return Task(
            title=title,
            description=description,
            acceptance_criteria=list(criteria),
            priority=priority or Priority.NORMAL,
            labels=[" ".join(clean(label).split()) for label in labels],
            deadline=deadline,
        )
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, islice(first["loc"], 2))) or "task"
        raise InputError(f"{source} makes no task: {field}: {ascii_safe(first['msg'])}") from None


def _shorten(title: str) -> str:
    cut = title[: MAX_TITLE - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > MAX_TITLE // 2 else cut).rstrip(" ,;:.\u200d") + "…"


def _trim(text: str) -> str:
    """Take off blank lines before and after, and leave the first line's indentation, which Markdown reads."""
    lines = text.rstrip().split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    return "\n".join(lines[start:])
