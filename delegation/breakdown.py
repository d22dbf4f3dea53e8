"""How a task is broken down: templates by type and area, filled with the task's criteria.

The number of subtasks depends on the areas and the complexity, never on the number of criteria; the criteria are
shared out among the areas by the words in them. Every plan ends with the tester's subtask, which depends on the work.
"""

from dataclasses import dataclass, field

from delegation.effort import with_estimate
from delegation.keywords import AREAS
from delegation.lexicon import words_of
from delegation.plan import Plan, Requirements, Subtask, SubtaskKind, TaskType
from delegation.squad import Role
from delegation.task import Priority, Task
from delegation.urgency import priority_of

__all__ = ["AREA_NAMES", "plan_of"]

_HARD = 6
"""Complexity from which back end and front end agree on their interface first, and then work side by side."""

_VERY_HARD = 8
_MANY_CRITERIA = 4
_MOST_PARTS = 3
LONGEST_TITLE = 80

LONGEST_READ = 1_000
"""Characters of a criterion whose words say which area it is about."""


@dataclass(frozen=True)
class _Area:
    """Who works on an area, what that is called, and which areas' work it builds on."""

    role: Role
    name: str
    kind: SubtaskKind = SubtaskKind.IMPLEMENTATION
    after: tuple[str, ...] = ()


_AREAS: dict[str, _Area] = {
    "design": _Area(Role.DESIGNER, "Design", SubtaskKind.DESIGN),
    "database": _Area(Role.BACKEND_DEVELOPER, "Data model"),
    "machine_learning": _Area(Role.BACKEND_DEVELOPER, "Model", after=("database",)),
    "backend": _Area(Role.BACKEND_DEVELOPER, "Back end", after=("database", "machine_learning")),
    "frontend": _Area(Role.FRONTEND_DEVELOPER, "Front end", after=("design", "backend")),
    "infrastructure": _Area(
        Role.DEVOPS_ENGINEER,
        "Deployment",
        SubtaskKind.DEPLOYMENT,
        after=("database", "machine_learning", "backend", "frontend"),
    ),
    "tests": _Area(Role.TESTER, "Tests", after=("backend", "frontend", "database", "machine_learning")),
}
"""In the order of a plan. Documentation is no area here, since every plan but a question's has it."""

AREA_NAMES = frozenset({*_AREAS, "docs"})
"""The areas that a plan may have work for."""

_SUFFIXES: dict[TaskType, str] = {TaskType.BUG_FIX: " repair", TaskType.REFACTORING: " restructuring"}


@dataclass
class _Draft:
    """A subtask before it has an id: dependencies are named by the keys of other drafts."""

    key: str
    title: str
    role: Role
    kind: SubtaskKind
    area: str
    after: list[str] = field(default_factory=list)
    criteria: list[str] = field(default_factory=list)


def plan_of(task: Task, requirements: Requirements) -> Plan:
    """Return the plan of a task; its dependencies only name subtasks that are in it."""
    drafts = _answer(task, requirements) if requirements.type is TaskType.QUESTION else _work(task, requirements)
    ids = {draft.key: f"S{number}" for number, draft in enumerate(drafts, start=1)}
    subtasks = [_finished(draft, ids, task, requirements) for draft in drafts]
    return Plan(subtasks=subtasks)


def _finished(draft: _Draft, ids: dict[str, str], task: Task, requirements: Requirements) -> Subtask:
    subtask = Subtask(
        id=ids[draft.key],
        title=draft.title,
        role=draft.role,
        kind=draft.kind,
        area=draft.area,
        priority=priority_of(Priority(task.priority), draft.criteria),
        depends_on=_dependencies(draft, ids),
        criteria=draft.criteria,
        description=_described(draft),
    )
    return with_estimate(subtask, requirements.complexity, len(requirements.open_questions))


def _dependencies(draft: _Draft, ids: dict[str, str]) -> list[str]:
    """Return the ids behind a draft's dependencies; an area stands for all its parts."""
    keys = [key for name in draft.after for key in ids if key == name or key.startswith(f"{name}:")]
    return [ids[key] for key in dict.fromkeys(keys)]


def _described(draft: _Draft) -> str:
    what = {
        SubtaskKind.TEST: "Plan how each criterion is tested, and check the other subtasks' results against that plan.",
        SubtaskKind.DOCUMENTATION: "Say what changes for the people who use or maintain this, and where it is written.",
        SubtaskKind.ANSWER: "Answer the question from what the text gives, and say what remains unknown.",
    }
    part = f"The {draft.area.replace('_', ' ')} part of the task."
    serves = "No criterion names this part."
    if draft.criteria:
        serves = f"Serves {len(draft.criteria)} of the task's criteria."
    return f"{what.get(draft.kind, part)} {serves}"


def _named(name: str, task: Task) -> str:
    title = " ".join(task.title.split())
    return f"{name}: {title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 1].rstrip() + '…'}"


def _answer(task: Task, requirements: Requirements) -> list[_Draft]:
    """A question: one answers it, the tester checks the answer."""
    area = next((one for one in requirements.areas if one in _AREAS and one not in {"tests", "design"}), "backend")
    role = _AREAS[area].role
    criteria = _texts(requirements)
    return [
        _Draft("answer", _named("Answer", task), role, SubtaskKind.ANSWER, area, criteria=criteria),
        _tester(task, requirements, after=["answer"]),
    ]


def _work(task: Task, requirements: Requirements) -> list[_Draft]:
    """Anything else: the areas' work, documentation, and the tester at the end."""
    areas = _areas(requirements)
    served = _served(requirements, areas)
    docs_only = areas == ["docs"]
    drafts = [
        draft for area in areas if area != "docs" for draft in _of_area(area, areas, served[area], task, requirements)
    ]
    if _agrees_first(areas, requirements):
        drafts = _with_agreement(drafts, served["backend"], task)
    work = [draft.key for draft in drafts]
    drafts.append(_documentation(task, areas, work, served.get("docs", []) if not docs_only else _texts(requirements)))
    return [*drafts, _tester(task, requirements, after=["docs"] if docs_only else work)]


def _areas(requirements: Requirements) -> list[str]:
    """Return the areas that get work of their own, in the order of a plan; the back end where the text names none."""
    if requirements.type is TaskType.DOCUMENTATION:
        return ["docs"]
    named = [area for area in _AREAS if area in requirements.areas]
    if "tests" in named and (requirements.type is not TaskType.TESTING):
        named.remove("tests")  # the tester's subtask is in every plan
    return named or ["backend"]


def _primary(requirements: Requirements, areas: list[str]) -> str:
    return next((area for area in requirements.areas if area in areas), areas[0])


def _texts(requirements: Requirements) -> list[str]:
    return list(dict.fromkeys(criterion.text for criterion in requirements.criteria))


def _served(requirements: Requirements, areas: list[str]) -> dict[str, list[str]]:
    """Share the criteria out: to the areas whose words they hold, the rest to the primary area and to idle ones."""
    served: dict[str, list[str]] = {area: [] for area in [*areas, "docs"]}
    rest = []
    for text in _texts(requirements):
        hits = {hit.finding for hit in AREAS.find(words_of(text[:LONGEST_READ]))}
        sides = {"backend", "frontend"} if "both" in hits else set()
        fitting = [area for area in [*areas, "docs"] if area in hits | sides]
        for area in dict.fromkeys(fitting):
            served[area].append(text)
        if not fitting:
            rest.append(text)
    titles = {criterion.text for criterion in requirements.criteria if criterion.source == "title"}
    for area in areas:
        if area == _primary(requirements, areas) or not served[area]:
            served[area] += rest
        else:
            served[area] += [text for text in rest if text in titles]
    order = {text: position for position, text in enumerate(_texts(requirements))}
    served = {area: sorted(texts, key=order.__getitem__) for area, texts in served.items()}
    if titles:  # the one criterion is the whole title: all the work serves it
        served |= {area: list(titles) for area in areas}
    return served


def _of_area(area: str, areas: list[str], criteria: list[str], task: Task, requirements: Requirements) -> list[_Draft]:
    """Return an area's subtasks: one, or in a hard task with many criteria a few that share them."""
    how = _AREAS[area]
    name = how.name + (_SUFFIXES.get(requirements.type, "") if how.kind is not SubtaskKind.DESIGN else "")
    after = [other for other in how.after if other in areas]
    parts = 1
    if requirements.complexity >= _VERY_HARD and how.kind is SubtaskKind.IMPLEMENTATION:
        parts = max(1, min(_MOST_PARTS, len(criteria) // _MANY_CRITERIA, 1 + _MOST_PARTS // len(areas)))
    drafts = []
    for part in range(parts):
        share = criteria[part * len(criteria) // parts : (part + 1) * len(criteria) // parts]
        suffix = f" (part {part + 1} of {parts})" if parts > 1 else ""
        key = area if part == 0 else f"{area}:{part + 1}"
        drafts.append(_Draft(key, _named(name, task) + suffix, how.role, how.kind, area, list(after), share))
    return drafts


def _agrees_first(areas: list[str], requirements: Requirements) -> bool:
    return requirements.complexity >= _HARD and "backend" in areas and "frontend" in areas


def _with_agreement(drafts: list[_Draft], criteria: list[str], task: Task) -> list[_Draft]:
    """Put the interface's agreement first; then the front end waits for that alone, and not for the back end."""
    agreement = _Draft(
        "interface",
        _named("Interface agreement", task),
        Role.BACKEND_DEVELOPER,
        SubtaskKind.DESIGN,
        "backend",
        criteria=list(criteria),
    )
    for draft in drafts:
        if draft.area == "frontend":
            draft.after = ["interface" if key == "backend" else key for key in draft.after]
        elif draft.area == "backend":
            draft.after.append("interface")
    return [agreement, *drafts]


def _documentation(task: Task, areas: list[str], work: list[str], criteria: list[str]) -> _Draft:
    """The developer of the work documents it: the tech lead reviews, and so does not write."""
    roles = [_AREAS[area].role for area in areas if area in _AREAS]
    developers = (Role.BACKEND_DEVELOPER, Role.FRONTEND_DEVELOPER, Role.DEVOPS_ENGINEER, Role.DESIGNER)
    role = next((role for role in developers if role in roles), Role.BACKEND_DEVELOPER)
    return _Draft("docs", _named("Documentation", task), role, SubtaskKind.DOCUMENTATION, "docs", list(work), criteria)


def _tester(task: Task, requirements: Requirements, after: list[str]) -> _Draft:
    return _Draft(
        "test", _named("Test plan", task), Role.TESTER, SubtaskKind.TEST, "tests", list(after), _texts(requirements)
    )
