import pytest

from delegation import Role, SquadMember, Subtask
from delegation.eligibility import fits, role_distance, shortfall, why_unassigned


def member(id_="m", role=Role.BACKEND_DEVELOPER, **skills):
    return SquadMember(id=id_, name=id_, role=role, skills=skills)


def subtask(**fields):
    return Subtask(id="S", title="s", **fields)


@pytest.mark.parametrize(
    ("who", "what", "expected"),
    [
        (member(), subtask(), None),
        (member(), subtask(role="backend_developer"), None),
        (member(role=Role.TECH_LEAD), subtask(role="backend_developer"), None),
        (member(role=Role.TESTER), subtask(role="backend_developer"), "is a tester, needs backend_developer"),
        (member(kubernetes=1), subtask(skills={"kubernetes": 2}), "needs kubernetes 2, has 1"),
        (member(kubernetes=2), subtask(skills={"kubernetes": 2}), None),
        (member(kubernetes=0), subtask(skills={"kubernetes": 0}), None),
        (member(), subtask(skills={"kubernetes": 0}), "needs kubernetes 0, has none"),
        (member(a=1), subtask(skills={"a": 2, "b": 1}), "needs a 2, has 1; needs b 1, has none"),
        (member(), subtask(excluded=["m"]), "is excluded"),
    ],
)
def test_shortfall_says_what_is_missing_and_fits_agrees(who, what, expected):
    assert shortfall(who, what) == expected
    assert fits(who, what) is (expected is None)


def test_stand_ins_are_ordered_after_the_role_itself():
    asked = Role.DEVOPS_ENGINEER
    assert [role_distance(role, asked) for role in (asked, Role.TECH_LEAD, Role.BACKEND_DEVELOPER, Role.TESTER)] == [
        0,
        1,
        2,
        None,
    ]
    assert role_distance(Role.DESIGNER, None) == 0


@pytest.mark.parametrize(
    ("what", "members", "expected"),
    [
        (subtask(), [], "there are no members"),
        (
            subtask(skills={"kubernetes": 2}),
            [member("backend-1"), member("backend-2", kubernetes=1)],
            "needs kubernetes 2; the closest is backend-2 with 1",
        ),
        (subtask(skills={"go": 1}), [member("a")], "needs go 1; the closest is a with none"),
        (
            subtask(skills={"go": 2, "sql": 1}),
            [member("a", go=1)],
            "needs go 2 and sql 1; the closest is a with go 1 and no sql",
        ),
        (
            subtask(role="tester"),
            [member("a")],
            "needs the role tester; the closest is a, a backend_developer",
        ),
        (
            subtask(role="tester", skills={"go": 3}),
            [member("a", go=3), member("t", Role.TESTER, go=1)],
            "needs go 3; the closest is t with 1",
        ),
        (subtask(excluded=["a"]), [member("a")], "nobody is left: a would fit, but is excluded"),
        (
            subtask(excluded=["a", "b"]),
            [member("a"), member("b")],
            "nobody is left: a and b would fit, but are excluded",
        ),
        (subtask(), [member("a")], "nothing is amiss: a may do it"),
    ],
)
def test_why_unassigned_names_the_nearest_miss(what, members, expected):
    assert why_unassigned(what, members) == expected
