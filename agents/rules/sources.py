"""What a subtask's deliverable may draw on: the parts of the task's text that concern it, and nothing else."""

from dataclasses import dataclass
from functools import cached_property

from agents.role_agent import Brief
from delegation.keywords import AREAS
from delegation.lexicon import words_of
from delegation.mentions import interfaces_in, mentions_of
from delegation.reading import Reading, reading_of
from delegation.sections import Section
from delegation.text import Block, BlockKind, plain, sentences

__all__ = ["Sources"]

MOST_PASSAGES = 12
MOST_STEPS = 20


@dataclass(frozen=True)
class Sources:
    """The task's text from the point of view of one subtask."""

    brief: Brief

    @cached_property
    def reading(self) -> Reading:
        """The task, read."""
        return reading_of(self.brief.task)

    @cached_property
    def interfaces(self) -> list[str]:
        """The interfaces that the task names; those of the subtask's own criteria first."""
        return list(dict.fromkeys([*interfaces_in(self.brief.subtask.criteria), *mentions_of(self.reading)]))

    @cached_property
    def steps(self) -> list[Block]:
        """The items of the text's lists, in order: what was asked for step by step, or how a fault is shown."""
        items = [block for block in self.reading.prose if block.kind is BlockKind.ITEM]
        return [item for item in items if item.section is not Section.CRITERIA][:MOST_STEPS]

    @cached_property
    def passages(self) -> list[str]:
        """The paragraphs that speak of the subtask's area, or all of them where none does."""
        texts = [
            plain(block.text)
            for block in self.reading.prose
            if block.kind is BlockKind.PARAGRAPH and block.section is not Section.CRITERIA
        ]
        own = [text for text in texts if self.brief.subtask.area in {hit.finding for hit in AREAS.find(words_of(text))}]
        return [text for text in (own or texts) if text][:MOST_PASSAGES]

    @cached_property
    def samples(self) -> list[Block]:
        """The text's code and stack traces, the first of them: evidence to look at, not instructions."""
        return [block for block in self.reading.blocks if block.kind in {BlockKind.CODE, BlockKind.TRACE}][:2]

    @cached_property
    def questions(self) -> list[str]:
        """The sentences that ask."""
        texts = [plain(block.text) for block in self.reading.prose]
        asked = [
            sentence
            for text in texts
            for sentence in sentences(text)
            if sentence.endswith(("?", "\N{FULLWIDTH QUESTION MARK}"))
        ]
        return list(dict.fromkeys(asked))[:MOST_PASSAGES]
