"""What the project manager makes of a proposal stays a valid plan, by the independent checker."""

from hypothesis import given, settings
from hypothesis import strategies as st
from plan_checker import check_plan, may, problems

from agents.rules.approval import approval_of
from delegation import DelegationEngine, Plan, Role, SubtaskKind

KINDS = st.sampled_from([SubtaskKind.IMPLEMENTATION, SubtaskKind.TEST, SubtaskKind.DOCUMENTATION])


@settings(max_examples=100)
@given(problems(), st.lists(KINDS, min_size=12, max_size=12))
def test_whatever_is_swapped_the_plan_stays_valid_and_the_lead_stands_in_for_nobody_who_could_do_it(drawn, kinds):
    subtasks, members, busy = drawn
    given_ = [one.model_copy(update={"kind": kind}) for one, kind in zip(subtasks, kinds, strict=False)]
    proposal = DelegationEngine().assign(given_, members, busy=busy)
    approval = approval_of(proposal, Plan(subtasks=given_), members)
    assert approval.approved == (not proposal.unassigned)
    check_plan(approval.schedule, given_, members, busy)
    leads = [one for one in members if one.role is Role.TECH_LEAD]
    if len(leads) == 1 and approval.approved:
        own = {one.subtask_id for one in approval.schedule.assignments if one.member_id == leads[0].id}
        stands_in = [one for one in given_ if one.id in own and one.role is not Role.TECH_LEAD]
        assert not [one.id for one in stands_in if any(may(member, one) for member in members if member not in leads)]
