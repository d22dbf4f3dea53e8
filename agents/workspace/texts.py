"""Files, folders, matches and diffs as the texts that a member gives and is given: checked, and of a bounded size."""

from collections.abc import Sequence

from agents.workspace.commits import shown
from agents.workspace.git import LONGEST_OUTPUT, as_text
from agents.workspace.paths import Entry, Inside
from delegation import HandsRefused

__all__ = [
    "LARGEST_FILE",
    "LONGEST_TEXT",
    "bytes_of",
    "diff_of",
    "listed",
    "matches",
    "numbered",
    "replaced",
    "text_of",
]

LARGEST_FILE = 4_000_000
"""The largest file that is read, searched or written, in bytes."""

LONGEST_TEXT = 60_000
"""The longest answer, in characters."""

LONGEST_LINE = 2_000
MOST_ENTRIES = 500
MOST_MATCHES = 200


def text_of(data: bytes, path: str) -> str:
    """Return what a file holds as a text.

    Raises:
        HandsRefused: it is none.
    """
    if b"\0" in data[:8192]:
        raise HandsRefused(f"{path!r} is no text: {len(data):,} bytes", hint="binary files are left as they are")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HandsRefused(f"{path!r} is not in UTF-8, from byte {error.start} on") from None


def bytes_of(content: str) -> bytes:
    """Return a text as a file holds it.

    Raises:
        HandsRefused: no file can hold it, or it is too large.
    """
    if not isinstance(content, str):
        raise HandsRefused("the content of a file is a text")
    try:
        data = content.encode("utf-8")
    except UnicodeEncodeError as error:
        raise HandsRefused(f"the content holds half a character at {error.start}, which no file can hold") from None
    if len(data) > LARGEST_FILE:
        raise HandsRefused(
            f"the content is too large: {len(data):,} bytes", hint=f"the limit is {LARGEST_FILE:,} bytes"
        )
    return data


def numbered(text: str, path: str, first: int, count: int) -> str:
    """Return lines of a file with their numbers, and where to read on.

    Raises:
        HandsRefused: the file has no line of the first number.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return f"{path} is empty"
    if first > len(lines):
        raise HandsRefused(f"{path!r} has {len(lines)} lines, so none is at {first}")
    told: list[str] = []
    size = 0
    for number, line in enumerate(lines[first - 1 : first - 1 + count], first):
        one = f"{number:>6}  {_clipped(line.removesuffix(chr(13)))}"
        size += len(one) + 1
        if size > LONGEST_TEXT:
            break
        told.append(one)
    at = first - 1 + len(told)
    if at < len(lines):
        told.append(f"[lines {first} to {at} of {len(lines)}; read on with first_line={at + 1}]")
    return "\n".join(told)


def listed(inside: Inside, parts: list[str], depth: int) -> str:
    """Return the entries under a folder, widest first: where there are too many, the deepest are left out.

    Raises:
        HandsRefused: there is no such folder.
    """
    kind = inside.kind(parts)
    if kind != "folder":
        raise HandsRefused(f"{'/'.join(parts)!r} is {'not there' if kind is None else f'a {kind}, no folder'}")
    found: list[str] = []
    level: list[list[str]] = [parts]
    for _ in range(depth):
        below: list[list[str]] = []
        for folder in level:
            for entry in inside.entries(folder):
                found.append(_entry(folder[len(parts) :], entry))
                if entry[1] == "folder":
                    below.append([*folder, entry[0]])
            if len(found) > MOST_ENTRIES:
                return _cut_list(found)
        level = below
    return "\n".join(sorted(found)) or "the folder is empty"


def _entry(within: Sequence[str], entry: Entry) -> str:
    name, kind = entry
    path = shown("/".join([*within, name]))
    told = path if path.isprintable() else ascii(path)
    return f"{told}/" if kind == "folder" else told if kind == "file" else f"{told} ({kind})"


def _cut_list(found: Sequence[str]) -> str:
    return "\n".join(sorted(found[:MOST_ENTRIES])) + "\n[there is more; list a folder of these]"


def matches(out: str) -> str:
    """Return the lines that a search found."""
    lines = out.splitlines()
    told = "\n".join(_clipped(line, 400) for line in lines[:MOST_MATCHES])
    least = "at least " if len(out) >= LONGEST_OUTPUT // 4 else ""  # as many characters may be all that was read
    more = f"\n[{least}{len(lines) - MOST_MATCHES} more lines match]" if len(lines) > MOST_MATCHES else ""
    return _cut(as_text(told)) + more


def replaced(text: str, path: str, old: str, new: str) -> tuple[str, int]:
    """Return the text with the one place replaced, and its line.

    A member sees lines without the carriage returns that some files have, so what it gives is taken with and without.

    Raises:
        HandsRefused: there is no such place, or more than one.
    """
    if not old:
        raise HandsRefused("the text to be replaced is empty", hint="write makes a new file")
    if old == new:
        raise HandsRefused("the new text is the old one")
    if old not in text and "\r\n" in text and "\r" not in old:
        old, new = old.replace("\n", "\r\n"), new.replace("\r\n", "\n").replace("\n", "\r\n")
    count = text.count(old)
    if not count:
        raise HandsRefused(f"{path!r} holds no such text", hint="read the file; the text must match to the last space")
    at = text.index(old)
    if count > 1 or text.find(old, at + 1) != -1:
        places = ", ".join(map(str, _lines_of(text, old)))
        raise HandsRefused(f"{path!r} holds that text at lines {places}", hint="give more of what is around it")
    return text[:at] + new + text[at + len(old) :], text.count("\n", 0, at) + 1


def _lines_of(text: str, wanted: str) -> list[int]:
    found: list[int] = []
    at = text.find(wanted)
    while at != -1 and len(found) < 10:
        found.append(text.count("\n", 0, at) + 1)
        at = text.find(wanted, at + 1)
    return found


def _clipped(line: str, limit: int = LONGEST_LINE) -> str:
    return line if len(line) <= limit else f"{line[:limit]}… [{len(line) - limit} more characters]"


def diff_of(text: str) -> str:
    """Return a diff as git printed it, or that there is none."""
    return _cut(as_text(text)) or "nothing is changed"


def _cut(text: str, limit: int = LONGEST_TEXT) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[{len(text) - limit:,} more characters are not shown]"
