"""Markdown's structure, as far as a task needs it: the title, the acceptance criteria, and the rest as it was written.

Blocks are found by markdown-it, so a list within a code block or a comment is none. Its inline rules stay off: they
are not needed, and they take quadratic time for some texts. The description is cut out of the source by line numbers
and so keeps its wording and marks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from delegation import InputError
from graph.intake_text import is_visible

__all__ = ["MAX_LINES", "MarkdownTask", "parse_markdown"]

MAX_LINES = 5_000
"""So many lines are read for their structure, which takes a second at most; what follows is description."""

_CRITERIA = re.compile(r"[\W_]*acceptance[ _-]criteri(?:a|on)\W*(?:\([^()]*\)\W*|_+\W*)?", re.IGNORECASE)
_UNANSWERED = re.compile(r"[\W_]*(?:no response|none|n/?a|tbd|todo)[\W_]*", re.IGNORECASE)
_BOX = re.compile(r"\[[ xX✓✔]?\](?:\s+|$)")
_MARKERS = re.compile(r"(?:(?:[-*+>]|#{1,6}|\d{1,9}[.)]|\[[ xX]\])(?: |$))+")
_BOLD = re.compile(r"(\*\*|__)(?P<text>(?:(?!\1).)+)\1")


class MarkdownTask(NamedTuple):
    """The parts of a task that its Markdown holds."""

    title: str
    description: str
    criteria: list[str]


@dataclass(frozen=True, slots=True)
class _Block:
    """A block at the document's top level: its lines from ``start`` to before ``end``, and its tokens."""

    kind: str
    start: int
    end: int
    tokens: Sequence[Token]

    @property
    def level(self) -> int:
        """A heading's level, 1 to 6; 7 for everything else."""
        return int(self.tokens[0].tag[1]) if self.kind == "heading" else 7

    @property
    def text(self) -> str:
        """The words of a heading or paragraph, with their Markdown marks."""
        return next((token.content for token in self.tokens if token.type == "inline"), "")


def parse_markdown(
    text: str, source: str, *, title: str | None = None, first_line: int = 1, document: bool = False
) -> MarkdownTask:
    """Find title, criteria and description.

    The title is the heading at the beginning, else in a document the only heading of the first level, else the first
    line. Criteria are the lists under a heading, or a line of its own, that says "Acceptance criteria"; nested items
    are folded into the item above them.

    Args:
        text: The Markdown, cleaned.
        source: What to call it in an error.
        title: The title, where it is known already; a heading at the beginning that repeats it is left out.
        first_line: The number of the text's first line in its source.
        document: Whether it was written as Markdown for sure; in other text, a lone ``#`` further down is no title.

    Raises:
        InputError: The text is so long that it cannot be read to its criteria.
    """
    lines = text.split("\n")
    _check_length(lines, source, first_line)
    blocks = _blocks("\n".join(lines[:MAX_LINES]))
    taken: list[tuple[int, int]] = []
    criteria = _take_criteria(blocks, taken)
    found = _take_title(blocks, lines, taken, title, document=document)
    return MarkdownTask(found, _without(lines, taken), criteria)


def _check_length(lines: Sequence[str], source: str, first_line: int) -> None:
    for number, line in enumerate(lines[MAX_LINES:], MAX_LINES + first_line):
        if _is_announcement(line):
            raise InputError(
                f"{source}, line {number}: acceptance criteria after more than {MAX_LINES:,} lines are not read",
                hint="put them before the long part, or leave logs out",
            )


def _blocks(text: str) -> list[_Block]:
    parser = MarkdownIt("commonmark").disable(["inline", "reference"])
    tokens = parser.parse(text)
    blocks, start = [], 0
    for i, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            opening = tokens[start]
            if opening.map is not None:
                kind = opening.type.removesuffix("_open")
                blocks.append(_Block(kind, opening.map[0], opening.map[1], tokens[start : i + 1]))
            start = i + 1
    return blocks


def _take_title(
    blocks: Sequence[_Block], lines: Sequence[str], taken: list[tuple[int, int]], known: str | None, *, document: bool
) -> str:
    """Return the title and add the lines that it takes; nothing is taken that says more than the title."""
    heading = _title_heading(blocks, document=document)
    if known is not None:
        if heading is not None and _plain(heading.text).casefold() == " ".join(known.split()).casefold():
            taken.append((heading.start, heading.end))
        return known
    if heading is not None:
        taken.append((heading.start, heading.end))
        return _plain(heading.text)
    for block in blocks:
        if block.kind == "paragraph" and is_visible(_plain(lines[block.start])):
            if not _announces(block) or "\n" in block.text:
                taken.append((block.start, block.start + 1))
                return _plain(lines[block.start])
        elif block.kind not in {"html_block", "heading", "hr"}:
            break
    return next(filter(is_visible, map(_bare, lines)), "") or next(map(_one_line, filter(is_visible, lines)), "")


def _title_heading(blocks: Sequence[_Block], *, document: bool) -> _Block | None:
    first = next((block for block in blocks if block.kind not in {"html_block", "hr"}), None)
    top = [block for block in blocks if block.level == 1]
    candidates = [first] if first is not None and first.kind == "heading" else top if document and len(top) == 1 else []
    return next((one for one in candidates if is_visible(_plain(one.text)) and not _announces(one)), None)


def _announces(block: _Block) -> bool:
    """Tell whether the block, or its last line, says that acceptance criteria follow."""
    if block.kind not in {"heading", "paragraph"}:
        return False
    return _is_announcement(block.text.rpartition("\n")[2].strip())


def _is_announcement(line: str) -> bool:
    return len(line) < 200 and _CRITERIA.fullmatch(line) is not None


def _take_criteria(blocks: Sequence[_Block], taken: list[tuple[int, int]]) -> list[str]:
    """Return all criteria and add the lines that they take."""
    criteria: list[str] = []
    i = 0
    while i < len(blocks):
        block = blocks[i]
        i += 1
        if not _announces(block):
            continue
        rest = blocks[i:]
        region = _under_heading(rest, block.level) if block.kind == "heading" else _lists_below(rest)
        i += len(region)
        lists = [one for one in region if one.kind in {"bullet_list", "ordered_list"}]
        used = lists or [one for one in region if one.kind == "paragraph"]
        criteria.extend(text for one in used for text in _texts(one))
        taken.extend((one.start, one.end) for one in used)
        headings = [one for one in region if one.kind == "heading"]
        if block.kind == "paragraph":
            taken.extend([(block.end - 1, block.end)] if used else [])
        elif len(used) + len(headings) == len(region):
            taken.extend((one.start, one.end) for one in [block, *headings])
    return criteria


def _under_heading(rest: Sequence[_Block], level: int) -> Sequence[_Block]:
    end = next((i for i, block in enumerate(rest) if block.level <= level), len(rest))
    return rest[:end]


def _lists_below(rest: Sequence[_Block]) -> Sequence[_Block]:
    kinds = {"bullet_list", "ordered_list", "html_block"}
    end = next((i for i, block in enumerate(rest) if block.kind not in kinds), len(rest))
    return rest[:end]


def _texts(block: _Block) -> Iterator[str]:
    """Yield a criterion an item of a list, or one for a paragraph."""
    texts = _items(iter(block.tokens[1:])) if block.kind != "paragraph" else [_one_line(block.text)]
    return (text for text in texts if is_visible(text) and not _UNANSWERED.fullmatch(text))


def _items(tokens: Iterator[Token]) -> list[str]:
    """Read the items up to the end of the list whose opening token has been read."""
    items: list[str] = []
    own: list[str] = []
    nested: list[str] = []
    for token in tokens:
        if token.type == "list_item_open":
            own, nested = [], []
        elif token.type == "list_item_close":
            items.append(_fold(_BOX.sub("", _one_line(" ".join(own)), count=1), nested))
        elif token.type in {"bullet_list_open", "ordered_list_open"}:
            nested.extend(_items(tokens))
        elif token.type in {"bullet_list_close", "ordered_list_close"}:
            break
        elif token.content and token.type != "html_block":
            own.append(token.content)
    return items


def _fold(own: str, nested: Sequence[str]) -> str:
    parts = "; ".join(filter(None, (one.rstrip(";,") for one in nested)))
    if not own or not parts:
        return own or parts
    return f"{own.rstrip(' :.')}: {parts}"


def _plain(text: str) -> str:
    """Return a title's words: one line, without the marks of bold around the whole."""
    line = _one_line(text)
    bold = _BOLD.fullmatch(line)
    return bold["text"].strip() if bold else line


def _bare(line: str) -> str:
    """Return what a line of a list, a quotation or code says; nothing for a line of marks alone."""
    line = _one_line(line)
    if line.startswith(("```", "~~~", "<!--")) or _is_announcement(line):
        return ""
    markers = _MARKERS.match(line)
    return _plain(line[markers.end() :] if markers else line)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without(lines: Sequence[str], taken: Sequence[tuple[int, int]]) -> str:
    """Return the lines that were not taken, with one blank line at most where some were."""
    gone = {number for start, end in taken for number in range(start, end)}
    kept: list[str] = []
    seam = False
    for number, line in enumerate(lines):
        if number in gone:
            seam = True
            while kept and not kept[-1].strip():
                kept.pop()
        elif line.strip() or not seam:
            if seam and kept:
                kept.append("")
            seam = False
            kept.append(line)
    return "\n".join(kept)
