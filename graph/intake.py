"""A task as a person has it, made into a ``Task``: a file, standard input or a line of text.

Three forms are read: Markdown (with YAML front matter), the JSON of ``gh issue view``, and plain text. Everything that
cannot be read is an ``InputError`` of one line that says what is wrong and where, with a hint that says how to mend it.
"""

import sys
from pathlib import Path
from typing import BinaryIO, Literal

from delegation import InputError, Task
from graph.intake_frontmatter import split_front_matter
from graph.intake_json import looks_like_json, parse_issue
from graph.intake_markdown import parse_markdown
from graph.intake_text import assemble, clean, first_line, is_visible, shown

__all__ = ["MAX_BYTES", "Form", "parse_task", "read_task", "read_text"]

MAX_BYTES = 1_000_000
"""How large a task's text may be, in bytes of UTF-8."""

Form = Literal["markdown", "json", "text"]

_FORMS: dict[str, Form] = {".md": "markdown", ".json": "json", ".txt": "text"}


def read_task(argument: str, *, stdin: BinaryIO | None = None) -> Task:
    """Read the task that the argument names or is.

    Args:
        argument: ``-`` for standard input; a path, if it holds no white space and ends in .md, .txt or .json or holds
            a ``/``; else the task's text itself.
        stdin: What ``-`` reads, instead of the process's standard input.

    Raises:
        InputError: There is nothing there, or what is there is no task.
    """
    if argument != "-" and not _is_path(argument):
        return parse_task(argument, source="the task's text")
    text, source = read_text(argument, stdin=stdin)
    return parse_task(text, source=source, form=_FORMS.get(Path(argument).suffix.lower()))


def read_text(argument: str, *, stdin: BinaryIO | None = None, what: str = "task") -> tuple[str, str]:
    """Read a file, or standard input for ``-``; returns its text, and what to call it in an error.

    ``what`` is what it is to hold, for the hints of errors.

    Raises:
        InputError: It cannot be read, or is no text of UTF-8, or too large.
    """
    if argument == "-":
        return _decode(_read_stdin(stdin), "standard input"), "standard input"
    source = shown(argument)
    return _decode(_read_file(argument, source, what), source), source


def parse_task(text: str, *, source: str, form: Form | None = None) -> Task:
    """Read a task out of its text.

    Args:
        text: The whole text; control characters and terminal escapes in it are dropped.
        source: What to call the text in an error.
        form: ``markdown``, ``json``, or ``text`` (the first line is the title and the rest the description, as it
            stands); without it, text that parses as JSON is JSON and everything else Markdown.

    Raises:
        InputError: The text is empty, too large, or its front matter or JSON is not what it should be.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _too_large(source)
    text = text.removeprefix("\ufeff")
    if not is_visible(text):
        raise InputError(f"{source} is empty", hint='say what is to be done: squad run "Add a login page"')
    if form == "json" or (form is None and looks_like_json(text)):
        return parse_issue(text, source)  # cleaned after it is parsed: a line separator may stand within a JSON text
    text = clean(text)
    if form == "text":
        title, rest = first_line(text)
        return assemble(source, title=title, description=rest)
    front, body, offset = split_front_matter(text, source)
    parts = parse_markdown(body, source, title=front.title, first_line=offset, document=form == "markdown")
    return assemble(
        source,
        title=front.title or parts.title,
        description=parts.description,
        criteria=parts.criteria,
        labels=front.labels,
        priority=front.priority,
        deadline=front.deadline,
    )


def _is_path(argument: str) -> bool:
    if not argument or any(char.isspace() for char in argument):
        return False
    return argument.lower().endswith(tuple(_FORMS)) or "/" in argument


def _read_stdin(stdin: BinaryIO | None) -> bytes:
    stream = stdin
    if stream is None:
        if sys.stdin is None:
            raise InputError("there is no standard input to read", hint="give the task as a file or as text")
        stream = sys.stdin.buffer
    try:
        return stream.read(MAX_BYTES + 1) or b""
    except (OSError, ValueError) as error:
        raise InputError(
            f"standard input cannot be read: {_reason(error)}", hint="give the task as a file or as text"
        ) from None


def _read_file(argument: str, source: str, what: str) -> bytes:
    may_be_text = "; a task given as text needs a space in it" if what == "task" else ""
    if "://" in argument:
        raise InputError(
            f"{source} is an address, not a file",
            hint=f"gh issue view {argument} --json number,title,body,labels | squad run -"
            if argument.isascii() and argument.isprintable() and "'" not in argument
            else "save it to a file first",
        )
    try:
        with Path(argument).open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"there is no file {source}", hint=f"check the name{may_be_text}") from None
    except IsADirectoryError:
        raise InputError(f"{source} is a directory", hint="name one file in it") from None
    except PermissionError:
        raise InputError(f"{source} may not be read", hint="check its permissions: ls -l") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{source} cannot be read: {_reason(error)}", hint=f"check the name{may_be_text}") from None


def _decode(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise _too_large(source)
    if wide := _wide_encoding(data):
        raise InputError(
            f"{source} is {wide} text, and only UTF-8 is read", hint=f"convert it: iconv -f {wide} -t UTF-8 FILE"
        )
    if b"\0" in data:
        raise InputError(f"{source} is binary, not text", hint="give the task as UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{source} is not UTF-8 text: byte 0x{data[error.start]:02x} in line {line}",
            hint="convert it, for example: iconv -f LATIN1 -t UTF-8 FILE",
        ) from None


def _wide_encoding(data: bytes) -> str | None:
    """Name the encoding of text whose units are wider than a byte: by its mark, or by its every other byte."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    sample = data[:512]
    if len(sample) >= 8:
        for name, zeros, letters in (("UTF-16LE", sample[1::2], sample[::2]), ("UTF-16BE", sample[::2], sample[1::2])):
            if zeros.count(0) > 0.8 * len(zeros) and letters.count(0) == 0:
                return name
    return None


def _too_large(source: str) -> InputError:
    return InputError(
        f"{source} is over the limit of 1 MB of text (1,000,000 bytes)",
        hint="keep what the squad must know and leave logs and attachments out",
    )


def _reason(error: OSError | ValueError) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or "not a name that a file can have"
    return " ".join(text.split()).lower()
