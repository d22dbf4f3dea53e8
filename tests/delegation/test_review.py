"""A review's verdict, the ids of its findings, and what becomes of those of the round before."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from delegation import Finding, FindingCheck, Review, ReviewVerdict
from delegation.review import numbered, settled_review

FIRST = Finding(id="R1.1", subtask_id="S1", criterion="it works", message="not shown")
SECOND = Finding(id="R1.2", subtask_id="S2", message="say why", suggestion="in the docstring")


@pytest.mark.parametrize(
    ("given_", "verdict", "approved"),
    [
        ({"approved": True}, "approved", True),
        ({"approved": False}, "changes_requested", False),
        ({"approved": True, "findings": [FIRST]}, "commented", True),
        ({"verdict": "approved"}, "approved", True),
        ({"verdict": "commented"}, "commented", True),
        ({"verdict": "changes_requested", "findings": [FIRST]}, "changes_requested", False),
        ({"verdict": "approved", "approved": True}, "approved", True),
    ],
)
def test_verdict_and_approval_follow_from_each_other(given_: dict[str, Any], verdict: str, *, approved: bool) -> None:
    review = Review(**given_)
    assert (review.verdict, review.approved) == (verdict, approved)
    assert Review.model_validate_json(review.model_dump_json()) == review


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"findings": []},
        {"verdict": "approved", "approved": False},
        {"verdict": "changes_requested", "approved": True},
        {"verdict": "perhaps"},
    ],
)
def test_a_review_without_a_verdict_or_with_two_is_none(given_: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Review(**given_)


def test_findings_get_ids_of_their_round_and_keep_those_that_are_theirs() -> None:
    new = Finding(subtask_id="S3", message="new")
    claimed = new.model_copy(update={"id": "R9.9"})
    found = numbered([new, FIRST, claimed, FIRST], "R2.", {"R1.1"})
    assert [one.id for one in found] == ["R2.1", "R1.1", "R2.2", "R2.3"]
    assert [one.message for one in found] == ["new", "not shown", "new", "not shown"]


def test_a_finding_that_is_not_met_is_a_finding_again_whatever_the_verdict() -> None:
    review = Review(
        approved=True,
        checks=[
            FindingCheck(finding_id="R1.1", met=True, note="it is"),
            FindingCheck(finding_id="R1.2", met=False, note="it still does not say why"),
            FindingCheck(finding_id="R7.7", met=False, note="of no round that we know"),
        ],
    )
    settled = settled_review(review, [FIRST, SECOND], was_asked=True)
    assert settled.verdict is ReviewVerdict.CHANGES_REQUESTED
    assert not settled.approved
    assert [(one.id, one.message, one.suggestion) for one in settled.findings] == [
        ("R1.2", "say why", "it still does not say why")
    ]
    assert [(one.finding_id, one.met) for one in settled.checks] == [("R1.1", True), ("R1.2", False)]


def test_a_finding_of_which_a_review_says_nothing_is_not_met() -> None:
    settled = settled_review(Review(approved=True), [FIRST], was_asked=True)
    assert not settled.approved
    assert [one.id for one in settled.findings] == ["R1.1"]
    assert "does not say" in str(settled.findings[0].suggestion)


def test_a_reviewer_that_knows_nothing_of_earlier_findings_finds_again_what_is_not_met() -> None:
    again = SECOND.model_copy(update={"id": None})
    settled = settled_review(Review(approved=False, findings=[again]), [FIRST, SECOND], was_asked=False)
    assert [(one.finding_id, one.met) for one in settled.checks] == [("R1.1", True), ("R1.2", False)]
    assert [one.id for one in settled.findings] == ["R1.2"]
    assert settled_review(Review(approved=True), [FIRST, SECOND], was_asked=False).approved


def test_what_is_called_met_and_found_again_is_not_met() -> None:
    review = Review(
        approved=False,
        findings=[FIRST.model_copy(update={"id": None})],
        checks=[FindingCheck(finding_id="R1.1", met=True)],
    )
    settled = settled_review(review, [FIRST], was_asked=True)
    assert [one.met for one in settled.checks] == [False]
    assert [one.id for one in settled.findings] == ["R1.1"]


FINDINGS = st.lists(
    st.builds(Finding, subtask_id=st.sampled_from(["S1", "S2", None]), message=st.sampled_from(["a", "b", "c"])),
    max_size=5,
)


@given(
    FINDINGS, FINDINGS, st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=6), st.booleans(), st.booleans()
)
def test_each_earlier_finding_is_said_to_be_met_or_is_found_again(
    before: list[Finding], now: list[Finding], said: list[tuple[int, bool]], approved: object, was_asked: object
) -> None:
    earlier = numbered(before, "R1.")
    checks = [FindingCheck(finding_id=f"R1.{number}", met=met) for number, met in said]
    settled = settled_review(
        Review(approved=bool(approved), findings=now, checks=checks), earlier, was_asked=bool(was_asked)
    )
    assert [check.finding_id for check in settled.checks] == [one.id for one in earlier]
    unmet = [check.finding_id for check in settled.checks if not check.met]
    gists = {(one.subtask_id, one.message) for one in settled.findings}
    assert {(one.subtask_id, one.message) for one in earlier if one.id in unmet} <= gists
    assert not (unmet and settled.approved)
    assert unmet or settled.approved == approved
