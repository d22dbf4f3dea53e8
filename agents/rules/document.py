"""A Markdown document of bounded size, put together from sections; what is cut is said to be cut."""

from collections.abc import Iterable

from agents.rules.quoting import inline

__all__ = ["LARGEST_BODY", "Document"]

LARGEST_BODY = 20_000
"""Bytes of UTF-8 that a deliverable's text takes at most."""

_ROOM_FOR_NOTE = 120


class Document:
    """Gathers sections while there is room: each may use up to its share, and names what it leaves out."""

    def __init__(self, title: str, *, most: int = LARGEST_BODY) -> None:
        self._parts = [f"# {title}"]
        self._left = most - _size(self._parts[0]) - 2

    def paragraph(self, text: str) -> None:
        """Add a paragraph of the document's own words."""
        self._add(text)

    def section(self, heading: str, lines: Iterable[str], *, empty: str, share: int = 3_000) -> None:
        """Add a section with a line (or block) each; ``empty`` is said where there is none.

        Args:
            heading: the document's own words.
            lines: Markdown that is safe already, one item each.
            empty: the sentence that stands for no items; "" leaves the section out.
            share: bytes that the section's items may take.
        """
        items = list(lines)
        if not items and not empty:
            return
        kept: list[str] = []
        room = min(share, self._left - _size(heading) - _ROOM_FOR_NOTE)
        for item in items:
            room -= _size(item) + 1
            if room < 0:
                break
            kept.append(item)
        if len(kept) < len(items):
            kept.append(f"\n({len(items) - len(kept)} of {len(items)} are not shown here, for length.)")
        body = "\n".join(kept) if kept else empty
        self._add(f"## {heading}\n\n{body}")

    def text(self) -> str:
        """Return the document."""
        return "\n\n".join(self._parts) + "\n"

    def _add(self, part: str) -> None:
        size = _size(part) + 2
        if size <= self._left:
            self._parts.append(part)
            self._left -= size


def bullets(texts: Iterable[str], most: int = 300) -> list[str]:
    """Return quoted list items; the quotation marks keep a text from opening a list or heading of its own."""
    return [f"- “{inline(text, most)}”" for text in texts]


def _size(text: str) -> int:
    return len(text.encode("utf-8"))
