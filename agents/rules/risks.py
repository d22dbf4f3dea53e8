"""The tech lead's view of a text: which difficulties it names, and what one has to ask about each."""

from dataclasses import dataclass

from delegation import Task
from delegation.keywords import HARDNESS
from delegation.reading import reading_of

__all__ = ["Risk", "risks_of"]

_QUESTIONS = {
    "security": "Who may do this, and what must an attacker not be able to do?",
    "concurrency": "What happens when two of these run at the same time?",
    "data migration": "How does existing data get there, and how does one go back?",
    "scale": "Which load has to be borne: how many, how fast, how large?",
    "compatibility": "Which callers or data of earlier versions have to go on working?",
    "performance": "Which time or memory is acceptable, and how is it measured?",
    "integration": "What happens when the other system is slow, down or answers wrongly?",
}


@dataclass(frozen=True)
class Risk:
    """A difficulty, the words that name it, and the question that it raises."""

    name: str
    words: list[str]
    question: str


def risks_of(task: Task) -> list[Risk]:
    """Return the risks that the task's text names, in a fixed order."""
    found = reading_of(task).find(HARDNESS)
    return [
        Risk(name, [hit.phrase for hit in found[name]][:8], f"Risk ({name}): {question}")
        for name, question in _QUESTIONS.items()
        if name in found
    ]
