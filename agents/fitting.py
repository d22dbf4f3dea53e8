"""Giving out room: what is most useful first, as far as a budget of characters or of tokens goes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agents.member_context import ContextKind, ContextPart, MemberContext
from delegation import Task

__all__ = ["Counter", "Ranked", "Room", "approximate_tokens", "compose"]

Ranked = Sequence[tuple[int, str]]
"""Lines, the most useful first, each with its place in the order in which they should be read."""

Counter = Callable[[str], int]
"""Says how much of a budget a text takes."""


def approximate_tokens(text: str) -> int:
    """Return about how many tokens a text has: a quarter of its bytes, as tokenizers of most models give or take.

    Bytes, not characters: what is written in other scripts has more tokens a character.
    """
    return (len(text.encode("utf-8", "replace")) + 3) // 4


@dataclass
class Room:
    """What is left of a budget, in the units of its counter."""

    left: int
    measure: Counter

    def take(self, ranked: Ranked) -> list[str]:
        """Take the lines that fit, most useful first; returned in the order in which they should be read."""
        taken = []
        for position, text in ranked:
            if (cost := self.measure(f"{text}\n")) <= self.left:
                taken.append((position, text))
                self.left -= cost
        return [text for _, text in sorted(taken)]

    def cut(self, text: str, *, before: str = "") -> str:
        """Take as much of a text as fits, with an ellipsis where it is cut; ``before`` takes room as well."""
        shown = self._longest(text, before)
        self.left -= self.measure(before + shown) if shown else 0
        return shown

    def _longest(self, text: str, before: str) -> str:
        if self.measure(before + text) <= self.left:
            return text
        low, high = 0, len(text) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.measure(f"{before}{text[:middle]}…") <= self.left:
                low = middle
            else:
                high = middle - 1
        return f"{text[:low]}…" if low > 0 else ""


def compose(budget: int, measure: Counter, useful: Mapping[ContextKind, Ranked], task: Task | None) -> MemberContext:
    """Put a context together, whose text takes no more than the budget, whatever it is made of.

    Args:
        budget: what the text may take, in the counter's units.
        measure: the counter; where it counts a whole as more than its parts, the least useful parts are dropped again.
        useful: lines by what they tell of, the most useful kind first.
        task: the task, where it is a part of the context: its head before all else, its description last.
    """
    room = Room(budget, measure)
    head = "\n".join([task.title, *(f"- {one}" for one in task.acceptance_criteria)]) if task else ""
    shown = room.cut(head)
    kept = {kind: room.take(lines) for kind, lines in useful.items()}
    description = task.description if task else ""
    told = room.cut(description, before="\n") if shown else ""
    while measure(_joined(shown, told, kept)) > budget and (shown or any(kept.values())):
        if told:
            told = ""
        elif least := next((lines for lines in reversed(kept.values()) if lines), None):
            least.pop()
        else:
            shown = shown[:-2] + "…" if len(shown) > 1 else ""
    lines = {ContextKind.TASK: [f"{shown}\n{told}" if told else shown] if shown else [], **kept}
    return MemberContext(
        task="".join(lines[ContextKind.TASK]),
        decisions=kept.get(ContextKind.DECISIONS, []),
        conversation=kept.get(ContextKind.CONVERSATION, []),
        parts=[ContextPart(kind=kind, title=_TITLES[kind], lines=found) for kind, found in lines.items() if found],
        omitted=sum(len(lines) - len(kept[kind]) for kind, lines in useful.items()),
        shortened=(shown, told) != (head, description),
    )


def _joined(shown: str, told: str, kept: Mapping[ContextKind, Sequence[str]]) -> str:
    head = [one for one in (shown, told) if one]
    return "\n".join(one for lines in (head, *kept.values()) for one in lines)


_TITLES = {
    ContextKind.TASK: "The task",
    ContextKind.DECISIONS: "What was decided",
    ContextKind.CONVERSATION: "What was said",
    ContextKind.WORK: "What was done so far",
    ContextKind.SQUAD: "The squad",
    ContextKind.FILES: "Files that matter",
    ContextKind.LESSONS: "What was learnt before",
    ContextKind.SIMILAR_TASKS: "Similar past tasks",
}
