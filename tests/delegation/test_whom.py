"""Whom a member that is stuck asks: never itself, those who made what it builds on first, then who fits best."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delegation import Role, Squad, SquadMember, Subtask, fits
from delegation.whom import whom_to_ask

DEV, LEAD, OPS = Role.BACKEND_DEVELOPER, Role.TECH_LEAD, Role.DEVOPS_ENGINEER


def member(member_id: str, role: Role, **skills: int) -> SquadMember:
    return SquadMember(id=member_id, name=member_id, role=role, skills=skills)


ADA, BOB = member("ada", DEV, sql=1), member("bob", DEV, sql=3)
LEA, OLE = member("lea", LEAD, sql=2), member("ole", OPS, docker=2)
TEAM = [LEA, OLE, BOB, ADA]
SQL = Subtask(id="S1", title="x", role=DEV, skills={"sql": 1})


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["bob", "lea"]),
        ({"makers": ["ole"]}, ["ole", "bob", "lea"]),
        ({"makers": ["lea", "ada"]}, ["lea", "bob"]),
        ({"role": OPS}, ["ole", "lea", "bob"]),
        ({"role": OPS, "most": 1}, ["ole"]),
        ({"role": OPS, "makers": ["lea"]}, ["lea", "ole", "bob"]),
        ({"skills": {"sql": 2}}, ["bob", "lea"]),
        ({"skills": {"docker": 1}}, ["ole"]),
        ({"role": LEAD, "skills": {"sql": 3}}, ["bob"]),
        ({"role": Role.DESIGNER}, []),
        ({"skills": {"cobol": 1}, "makers": ["bob"]}, []),
    ],
)
def test_the_best_are_asked(asked: dict[str, Any], expected: list[str]) -> None:
    assert [one.id for one in whom_to_ask(TEAM, SQL, "ada", **asked)] == expected


def test_in_the_default_squad_somebody_may_be_asked_for_most_work() -> None:
    members = Squad.default().members
    for role in (DEV, Role.FRONTEND_DEVELOPER, Role.TESTER, OPS, Role.DESIGNER, LEAD):
        assert whom_to_ask(members, Subtask(id="S", title="x", role=role), role.value), role


@given(
    st.sampled_from([one.id for one in TEAM]),
    st.none() | st.sampled_from(Role),
    st.dictionaries(st.sampled_from(["sql", "docker"]), st.integers(0, 3)),
    st.lists(st.sampled_from([one.id for one in TEAM])),
)
def test_nobody_asks_itself_and_who_is_asked_fits_or_made_it(
    asker: str, role: Role | None, skills: dict[str, int], makers: list[str]
) -> None:
    found = whom_to_ask(TEAM, SQL, asker, role=role, skills=skills, makers=makers)
    probe = SQL if role is None and not skills else Subtask(id="p", title="p", role=role, skills=skills)
    assert asker not in {one.id for one in found}
    assert len({one.id for one in found}) == len(found) <= 3
    assert all(fits(one, probe) or one.id in makers for one in found)
