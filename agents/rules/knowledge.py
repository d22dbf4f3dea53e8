"""What a rule-based agent knows about a question: passages that mention its words, quoted with where they stand."""

import re
from collections.abc import Iterator

from agents.role_agent import Brief
from agents.rules.quoting import inline

__all__ = ["answer_from"]

_WORD = re.compile(r"[^\W_][\w/.-]{2,}")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_MOST = 4
"""How many passages an answer quotes."""

_COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        about after again all also and any are because been before being both but can could did does done each else
        for from had has have how into its know let like make many may more most must need not now off one only other
        our out over please say shall she should some such take than that the their them then there these they this
        those through too under until use used very was way were what when where which while who whom whose why will
        with would you your anybody anyone somebody someone something anything
        """,
    )
)
"""Words that are in any question, and say nothing of what it is about."""


def answer_from(question: str, brief: Brief) -> str | None:
    """Return the passages that share most words with the question, at least two where it has two; None without any."""
    asked = _words(question)
    if not asked:
        return None
    least = min(2, len(asked))
    found = [(len(asked & _words(text)), where, text) for where, text in _known(brief)]
    best = sorted((one for one in found if one[0] >= least), key=lambda one: -one[0])[:_MOST]
    return "\n".join(dict.fromkeys(f"{where}: “{inline(text)}”" for _, where, text in best)) or None


def _known(brief: Brief) -> Iterator[tuple[str, str]]:
    """Yield what is known, what people and colleagues said first, each with where it stands."""
    for text in brief.answers:
        yield "A human answered", text
    for subtask_id, deliverable in brief.inputs.items():
        where = f"In the {inline(deliverable.kind.replace('_', ' '), 40)} of {inline(subtask_id, 40)}"
        for text in (*deliverable.interfaces, *_sentences(deliverable.body)):
            yield where, text
    for criterion in brief.requirements.criteria:
        yield "Among the criteria", criterion.text
    for text in _sentences(brief.task.description):
        yield "In the task", text


def _sentences(text: str) -> Iterator[str]:
    for part in _SENTENCE.split(text):
        if stripped := part.strip(" \t#*->|"):
            yield stripped


def _words(text: str) -> set[str]:
    return {word.rstrip(".-").casefold() for word in _WORD.findall(text)} - _COMMON
