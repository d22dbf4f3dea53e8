"""Role agents: what a role is asked, how the rule-based ones answer, and what members say to one another."""
