"""A task's requirements, put together from what the single rules find, each finding with the words behind it."""

from delegation.classify import classify
from delegation.criteria import criteria_of
from delegation.keywords import AREAS, EASE, HARDNESS, SKILLS
from delegation.lexicon import Hit
from delegation.mentions import mentions_of
from delegation.plan import Criterion, Requirements, TaskType
from delegation.questions import questions_of
from delegation.reading import LONGEST_DESCRIPTION, Reading, reading_of
from delegation.task import Task

__all__ = ["requirements_of"]

MOST_WORDS = 8
"""So many words of evidence are kept for a finding; the first ones, in the order of the text."""

_ENOUGH_IN_TITLE, _ENOUGH_OTHERWISE = 2.0, 3.0
"""Points from which an area counts as touched; a word in passing makes none."""

_START: dict[TaskType, int] = {
    TaskType.QUESTION: 1,
    TaskType.DOCUMENTATION: 2,
    TaskType.TESTING: 3,
    TaskType.MACHINE_LEARNING: 5,
    TaskType.DATABASE: 4,
    TaskType.API_ENDPOINT: 4,
    TaskType.DEPLOYMENT: 4,
}
_START_OTHERWISE = 3
_MANY_CRITERIA = ((16, 3), (8, 2), (4, 1))
_LONG_TEXT = 3_000
_MANY_INTERFACES = 5

_NEW = frozenset({TaskType.GENERAL})
_EXISTING = frozenset({TaskType.BUG_FIX, TaskType.REFACTORING, TaskType.TESTING})

_AREA_OF_TYPE: dict[TaskType, str] = {
    TaskType.API_ENDPOINT: "backend",
    TaskType.USER_INTERFACE: "frontend",
    TaskType.DATABASE: "database",
    TaskType.TESTING: "tests",
    TaskType.DOCUMENTATION: "docs",
    TaskType.DEPLOYMENT: "infrastructure",
    TaskType.MACHINE_LEARNING: "machine_learning",
    TaskType.DESIGN: "design",
}


def requirements_of(task: Task) -> Requirements:
    """Read a task's requirements out of its text; the same text gives the same requirements."""
    reading = reading_of(task)
    verdict = classify(reading)
    areas = _areas(reading, verdict.type)
    skills = reading.find(SKILLS)
    criteria = criteria_of(reading)
    complexity, reasons = _complexity(reading, verdict.type, areas, criteria)
    evidence = {"type": verdict.evidence[:MOST_WORDS]}
    evidence |= {f"area:{area}": _phrases(hits) for area, hits in areas.items()}
    evidence |= {f"skill:{skill}": _phrases(hits) for skill, hits in skills.items()}
    return Requirements(
        type=verdict.type,
        skills={skill: _level(hits, complexity) for skill, hits in skills.items()},
        complexity=complexity,
        complexity_reasons=reasons,
        areas=list(areas),
        evidence={finding: words for finding, words in evidence.items() if words},
        criteria=criteria,
        open_questions=questions_of(reading, verdict.type, list(areas)) + _left_out(reading),
    )


def _phrases(hits: list[Hit]) -> list[str]:
    return [hit.phrase for hit in hits][:MOST_WORDS]


def _areas(reading: Reading, kind: TaskType) -> dict[str, list[Hit]]:
    """Return the areas touched with their evidence, the weightiest first; an area named in passing is left out."""
    found = reading.find(AREAS)
    both = found.pop("both", [])
    if both and _on_both_sides(kind, found):
        for side in ("backend", "frontend"):
            found[side] = [*found.get(side, []), *both]
    totals = {area: sum(hit.weight for hit in hits) for area, hits in found.items()}
    in_title = {hit.finding for hit in AREAS.find(reading.title_words)} | ({"backend", "frontend"} if both else set())
    least = max(totals.values(), default=0.0) / 4
    kept = [
        area
        for area in totals
        if totals[area] >= max(least, _ENOUGH_IN_TITLE if area in in_title else _ENOUGH_OTHERWISE)
    ]
    kept.sort(key=lambda area: -totals[area])
    areas = {area: found[area] for area in kept}
    named = _AREA_OF_TYPE.get(kind)
    if named and named not in areas:
        areas = {named: found.get(named, []), **areas}
    return areas


def _on_both_sides(kind: TaskType, found: dict[str, list[Hit]]) -> bool:
    """Say whether a capability such as signing in takes a back and a front end here.

    It does where something new is wanted; a task that names its side, or mends what is there, is about that side alone.
    """
    return kind in _NEW or (kind in _EXISTING and not {"backend", "frontend"} & found.keys())


def _level(hits: list[Hit], complexity: int) -> int:
    """Return the level asked: 1 where a skill is named, 2 where it is named in several ways or the task is hard."""
    return 1 + (len(hits) > 1) + (complexity >= 8)


def _complexity(
    reading: Reading, kind: TaskType, areas: dict[str, list[Hit]], criteria: list[Criterion]
) -> tuple[int, list[str]]:
    """Return the complexity and its reasons: a start by type, plus and minus what the text shows."""
    start = _START.get(kind, _START_OTHERWISE)
    steps = [(start, f"the type is {kind.value.replace('_', ' ')}")]
    if len(areas) > 1:
        steps.append((min(len(areas) - 1, 3), f"it touches {len(areas)} areas: {', '.join(areas)}"))
    for least, plus in _MANY_CRITERIA:
        if len(criteria) >= least:
            steps.append((plus, f"it has {len(criteria)} criteria"))
            break
    for trouble, hits in list(reading.find(HARDNESS).items())[:3]:
        steps.append((1, f"{trouble}: the text says {_quoted(hits)}"))
    if len(mentions_of(reading)) >= _MANY_INTERFACES:
        steps.append((1, f"it names {_MANY_INTERFACES} interfaces or more"))
    if sum(len(block.text) for block in reading.prose) > _LONG_TEXT:
        steps.append((1, "its text is long"))
    if small := reading.find(EASE).get("small"):
        steps.append((-1, f"the text says {_quoted(small)}"))
    total = sum(step for step, _ in steps)
    reasons = [f"starts at {start}: {steps[0][1]}"] + [f"{step:+d}: {why}" for step, why in steps[1:]]
    return max(1, min(10, total)), reasons


def _quoted(hits: list[Hit]) -> str:
    return ", ".join(f'"{hit.phrase}"' for hit in hits[:3])


def _left_out(reading: Reading) -> list[str]:
    if not reading.cut:
        return []
    return [
        f"The text is long: only its first {LONGEST_DESCRIPTION:,} characters were analysed. What of the rest counts?"
    ]
