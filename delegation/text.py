"""A task's text split into blocks: headings, paragraphs, list items, code, stack traces and the like.

The text is written by anybody, so nothing here assumes that it is well-formed Markdown: the splitter goes over the
lines once, every pattern is linear in its line, and a line that is too long to be a heading or a list item is not
tried as one. A template's headings ("Steps to reproduce") name the section of what follows and are no content.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from delegation.sections import Section, section_of

__all__ = ["Block", "BlockKind", "plain", "sentences", "split"]

LONGEST_LINE = 2_000
"""A longer line is prose or data, whatever it starts with."""

LONGEST_HEADING = 120

LONGEST_LABEL = 4
"""Words of a line that ends in a colon and is a heading; more of them lead over to what follows."""

LEAST_SAID = 8
"""Words from which a fenced answer to a template's question may be prose."""

_TOLD = frozenset({Section.PROBLEM, Section.EXPECTED, Section.ACTUAL, Section.WISH})


class BlockKind(StrEnum):
    """What a block of the text is."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    CODE = "code"
    TRACE = "trace"
    TABLE = "table"
    ASIDE = "aside"
    SETTING = "setting"


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its markers taken off.

    ``section`` is what the heading above it announces, ``heading`` that heading's own words; ``number`` is a numbered
    item's number and ``checked`` a check box's state.
    """

    kind: BlockKind
    text: str
    section: Section = Section.BODY
    heading: str = ""
    number: int | None = None
    checked: bool | None = None


_FENCE = re.compile(r"(`{3,}|~{3,})")
_HASHES = re.compile(r"(#{1,6})(?:\s+|(?=\w))(.*)")
_BOLD_LINE = re.compile(r"(?:\*\*|__)([^*_].{0,118}?)(?:\*\*|__)\s?:?(.*)")
_ITEM = re.compile(r"(?:[-*+•]|(\d{1,4})[.)])\s+(.*)", re.DOTALL)
_BOX = re.compile(r"\[([ xX✓]?)\]\s*(.*)", re.DOTALL)
_RULE = re.compile(r"[-=_*]{3,}$")
_SETTING = re.compile(r"(?:[-*+]\s+)?\**([A-Za-z][\w /.()-]{0,48}?)\**\s?:\**(?:\s+(.*))?$", re.DOTALL)
_TRACE = re.compile(
    r"at\s.{0,300}(?::\d+|\(native|<anonymous>)"
    r"|File \".{1,300}\", line \d+"
    r"|Traceback \(most recent call last\)"
    r"|#\d+:?\s+0x[0-9a-f]"
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d"
    r"|[EWIF]\d{4} \d\d:"
    r"|[\w.$]{0,200}(?:Error|Exception)(?::\s|$)"
    r"|\S{1,300}:\d+:(?:\d+:)? (?:fatal )?(?:error|warning|note)\b"
    r"|(?:goroutine \d+|Caused by: |\.\.\. \d+ more|thread '.{0,100}' panicked at)"
    r"|(?:/usr/bin/)?ld: |make(?:\[\d+\])?: \*\*\*|collect2: "
)
_PROMPT = re.compile(r"(?:\$|>>>|\.\.\.|C:\\[^>]{0,200}>|PS [^>]{0,200}>)\s")
_LINK = re.compile(r"!?\[([^\]\[\n]{0,300})\]\([^()\s]{0,2000}\)")
_URL = re.compile(r"(?:https?|ftp|file)://\S+")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
_HASH_LINE = re.compile(r"^[ \t]{0,8}#{1,6} ", re.MULTILINE)
_SUMMARY = re.compile(r"<summary>[^<>]{0,200}</summary>", re.IGNORECASE)
_SAID = re.compile(r"[A-Za-z][a-z']*[.,;:!?)]?$")
_BLANK_ANSWERS = frozenset({"_no response_", "no response", "n/a", "na", "none", "-", "no", "nope", "tbd", "todo"})
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")  # noqa: RUF001 (full-width stops end sentences too)


def plain(text: str) -> str:
    """Return the words of a piece of Markdown: no addresses, pictures, tags or emphasis."""
    text = _URL.sub(" ", _LINK.sub(r"\1", text))
    return _TAG.sub(" ", text).replace("*", " ").replace("`", " ").strip()


def sentences(text: str) -> list[str]:
    """Return the text's sentences; a line break ends one too, since people leave the stop out there."""
    return [stripped for part in _SENTENCE_END.split(text) if (stripped := part.strip())]


def split(text: str) -> list[Block]:
    """Split a text into its blocks, in order, in one pass over its lines."""
    return list(_Splitter().run(_unfolded(_without_comments(text))))


def _unfolded(text: str) -> str:
    """Open the fold around a whole report: templates put one there, headings and all, to keep overviews short."""
    if not text[:100].lstrip().lower().startswith("<details"):
        return text
    lowered = text.lower()
    begin, end = lowered.find(">") + 1, lowered.find("</details")
    within = text[begin:] if end < 0 else text[begin:end]
    if not _HASH_LINE.search(within):
        return text
    return _SUMMARY.sub("", within, count=1) + ("" if end < 0 else text[end:].partition(">")[2])


def _without_comments(text: str) -> str:
    """Drop HTML comments: templates address the author in them. One that never ends is left as it stands."""
    kept: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    kept.append(text[at:])
    return "".join(kept)


class _Splitter:
    """Holds where the pass stands: the section, the open fence, and the lines of the block being gathered."""

    def __init__(self) -> None:
        self.section, self.heading = Section.BODY, ""
        self.fence: str | None = None
        self.details = 0
        self.kind: BlockKind | None = None
        self.lines: list[str] = []
        self.number: int | None = None
        self.checked: bool | None = None
        self.after_blank = True

    def run(self, text: str) -> Iterator[Block]:
        """Yield the blocks of the text."""
        lines = text.splitlines()
        for index, line in enumerate(lines):
            following = lines[index + 1].strip() if index + 1 < len(lines) else ""
            yield from self._take(line, following)
            self.after_blank = not line.strip()
        yield from self._flush()

    def _take(self, line: str, following: str) -> Iterator[Block]:
        stripped = line.strip()
        if self.fence is not None or _FENCE.match(stripped):
            yield from self._take_fenced(line, stripped)
        elif self._in_details(stripped):
            yield from self._gather(BlockKind.ASIDE, stripped)
        elif not stripped or _RULE.match(stripped[:LONGEST_LINE]):
            yield from self._flush()
        elif len(stripped) > LONGEST_LINE:
            yield from self._gather(BlockKind.PARAGRAPH, stripped)
        elif not _TRACE.match(stripped) and (heading := _heading(stripped, following)):
            yield from self._open_section(*heading)
        else:
            yield from self._take_plain(line, stripped.lstrip("> ") or stripped)

    def _take_plain(self, line: str, stripped: str) -> Iterator[Block]:
        indented = line[:4].isspace() or line.startswith("\t")
        if _TRACE.match(stripped):
            yield from self._gather(BlockKind.TRACE, stripped)
        elif _PROMPT.match(stripped) or (indented and self._may_be_code()):
            yield from self._gather(BlockKind.CODE, line.rstrip())
        elif stripped.startswith("|"):
            yield from self._gather(BlockKind.TABLE, stripped)
        elif item := _ITEM.match(stripped):
            yield from self._flush()
            self._open_item(item)
        elif self.kind is BlockKind.ITEM and (line[:1].isspace() or not self.after_blank):
            self.lines.append(stripped)
        elif stripped.lower().strip("*_ .") in _BLANK_ANSWERS or stripped.lower() in _BLANK_ANSWERS:
            yield from self._flush()
        else:
            yield from self._gather(BlockKind.PARAGRAPH, stripped)

    def _may_be_code(self) -> bool:
        """Say whether an indented line is code: it goes on with some, or nothing is open that it could belong to."""
        return self.kind is BlockKind.CODE or self.kind is None

    def _open_item(self, item: re.Match[str]) -> None:
        self.kind = BlockKind.ITEM
        self.number = int(item[1]) if item[1] else None
        body = item[2]
        if box := _BOX.match(body):
            self.checked, body = box[1] not in {"", " "}, box[2]
        self.lines = [body]

    def _take_fenced(self, line: str, stripped: str) -> Iterator[Block]:
        if self.fence is None:
            yield from self._flush()
            opening = _FENCE.match(stripped)
            self.fence = opening[1] if opening else "```"
            rest = stripped[len(self.fence) :]
            self.kind = BlockKind.CODE
            if self.fence[0] in rest:  # opened and closed on one line
                self.lines, self.fence = [rest.strip("`~ ")], None
        elif stripped.startswith(self.fence) and not stripped.strip(self.fence[0]):
            self.fence = None
            yield from self._flush()
        else:
            self.lines.append(line)

    def _in_details(self, stripped: str) -> bool:
        """Say whether the line lies in a folded part: logs and system data, kept apart from what the person says."""
        lowered = stripped[:LONGEST_LINE].lower()
        inside = self.details > 0 or "<details" in lowered
        self.details = max(0, self.details + lowered.count("<details") - lowered.count("</details"))
        return inside

    def _open_section(self, heading: str, rest: str) -> Iterator[Block]:
        yield from self._flush()
        self.heading, self.section = heading, section_of(heading)
        if self.section is Section.BODY:
            yield Block(BlockKind.HEADING, heading, self.section, heading)
        if rest:
            yield from self._take_plain(rest, rest)

    def _gather(self, kind: BlockKind, line: str) -> Iterator[Block]:
        if self.kind is not kind:
            yield from self._flush()
            self.kind = kind
        self.lines.append(line)

    def _flush(self) -> Iterator[Block]:
        if self.kind is not None and (text := "\n".join(self.lines).strip()):
            if self.kind is BlockKind.CODE and self.section in _TOLD and _is_said(text):
                self.kind = BlockKind.PARAGRAPH  # the form renders its answers as code, whatever they are
            yield Block(self.kind, text, self.section, self.heading, self.number, self.checked)
        self.kind, self.lines, self.number, self.checked = None, [], None, None


def _is_said(text: str) -> bool:
    """Say whether most of what stands where code is expected are words of a sentence."""
    words = text[:LONGEST_LINE].split()
    return len(words) >= LEAST_SAID and sum(bool(_SAID.match(word)) for word in words) > 0.8 * len(words)


def _heading(line: str, following: str) -> tuple[str, str] | None:
    """Return a heading's words and what stands behind them on its line, or None where the line is no heading."""
    if found := _HASHES.match(line):
        words = found[2].strip(" #*_:")
        return (words, "") if words and len(words) <= LONGEST_HEADING else None
    if found := _BOLD_LINE.match(line):
        words, rest = found[1].strip(" *_:"), found[2].strip(" *:")
        if not rest or section_of(words) is not Section.BODY:
            return (words, rest) if words else None
    if len(line) <= LONGEST_HEADING and (found := _SETTING.match(line)):
        words, rest = found[1].strip(), (found[2] or "").strip()
        if section_of(words) is not Section.BODY or (not rest and len(words.split()) <= LONGEST_LABEL):
            return words, rest
    if len(line) <= LONGEST_HEADING and following and not following.strip("=-") and len(following) >= 3:
        return line.strip(" *_:"), ""
    if len(line) <= LONGEST_HEADING and " " in line and section_of(line) is not Section.BODY and line[-1] not in ".,;":
        return line.strip(" *_:"), ""
    return None
