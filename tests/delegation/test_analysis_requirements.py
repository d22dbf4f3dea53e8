"""What the rules read out of a task: type, areas, skills, complexity, criteria and what is left open."""

import pytest

from delegation import Criterion, DelegationEngine, Requirements, Task

ENGINE = DelegationEngine()


def read(title: str, description: str = "", criteria: list[str] | None = None) -> Requirements:
    return ENGINE.analyze_task_requirements(
        Task(title=title, description=description, acceptance_criteria=criteria or [])
    )


@pytest.mark.parametrize(
    ("title", "kind", "areas"),
    [
        ("Implement user authentication", "general", {"backend", "frontend"}),
        ("Add a POST /orders endpoint", "api_endpoint", {"backend"}),
        ("Create a REST API for orders with pagination", "api_endpoint", {"backend"}),
        ("Dark mode", "user_interface", {"frontend"}),
        ("Make the button on the settings page blue", "user_interface", {"frontend"}),
        ("login page", "user_interface", {"frontend"}),
        ("Add an index to the users table", "database", {"database"}),
        ("Fix the login button", "bug_fix", {"frontend"}),
        ("App crashes on startup", "bug_fix", set()),
        ("Refactor the payment module", "refactoring", {"backend"}),
        ("Write unit tests for the parser", "testing", {"tests", "backend"}),
        ("Update the README", "documentation", {"docs"}),
        ("Deploy to Kubernetes", "deployment", {"infrastructure"}),
        ("Train a neural network on our dataset", "machine_learning", {"machine_learning"}),
        ("Draw wireframes and a mockup", "design", {"design"}),
        ("How do I install this?", "question", set()),
        ("Why is the build so slow?", "question", set()),
        ("Put the suite that requires guidance together", "general", set()),
    ],
)
def test_type_and_areas_of_a_title(title: str, kind: str, areas: set[str]) -> None:
    found = read(title)
    assert found.type == kind
    assert set(found.areas) == areas


def test_every_finding_has_its_words_and_they_are_in_the_text() -> None:
    found = read("Add a REST endpoint for reports", "It reads from PostgreSQL and runs in Docker. Add unit tests.")
    assert set(found.skills) >= {"rest", "sql", "docker", "testing"}
    expected = {"type", *(f"area:{area}" for area in found.areas), *(f"skill:{skill}" for skill in found.skills)}
    assert expected <= set(found.evidence)
    text = "add a rest endpoint for reports it reads from postgresql and runs in docker add unit tests"
    for finding, words in found.evidence.items():
        assert words, finding
        assert all(word in text or word.startswith("the title") for word in words), finding


def test_complexity_has_reasons_that_add_up() -> None:
    easy = read("Fix a typo in the README")
    hard = read(
        "Migrate the payment service to PostgreSQL without downtime",
        "Existing data must stay readable. The API must remain backward compatible. Concurrent writes must not race.",
        [f"Step {number} is done" for number in range(20)],
    )
    assert 1 <= easy.complexity < hard.complexity <= 10
    for found in (easy, hard):
        start = int(found.complexity_reasons[0].split(":")[0].removeprefix("starts at "))
        steps = [int(reason.split(":")[0]) for reason in found.complexity_reasons[1:]]
        assert found.complexity == max(1, min(10, start + sum(steps)))


def texts(found: Requirements, source: str) -> list[str]:
    assert {criterion.source for criterion in found.criteria} == {source}
    return [criterion.text for criterion in found.criteria]


def test_stated_criteria_are_taken_as_they_are() -> None:
    assert texts(read("Do it", "It should be fast.", ["One *thing*", "Another"]), "stated") == [
        "One *thing*",
        "Another",
    ]
    listed = "Text must not count.\n\n## Acceptance criteria\n- [ ] Users **log in**\n- [x] Users log out\n"
    assert texts(read("Do it", listed), "stated") == ["Users log in", "Users log out"]


def test_criteria_come_from_expected_behaviour_and_obligations() -> None:
    text = (
        "### Expected behavior\nThe file is written.\n\n### Naming\nIt must keep its name. Should I do it? I like it."
    )
    assert texts(read("Export breaks", text), "text") == ["The file is written.", "It must keep its name."]


def test_what_the_author_tells_or_asks_is_no_criterion() -> None:
    text = "### Expected behavior\nI ran into this. I would expect a file. Is there a way? Example 1. It is written."
    assert texts(read("Export breaks", text), "text") == ["I would expect a file.", "It is written."]


def test_words_in_passing_make_neither_a_type_nor_an_area() -> None:
    found = read("Keep the order", "The index of a column and one of the buttons are given.")
    assert found.type == "general"
    assert found.areas == []


def test_criteria_come_from_numbered_steps_but_not_from_those_that_show_a_fault() -> None:
    steps = "1. Add a column for the age\n2. Show the age on the page\n"
    assert texts(read("Ages", steps), "text") == ["Add a column for the age", "Show the age on the page"]
    assert texts(read("Ages", "### Steps to reproduce\n" + steps), "title") == ["Ages"]


def test_code_and_traces_give_no_criteria() -> None:
    text = "```\n# it should explode\n```\nTraceback (most recent call last):\nValueError: must be positive\n"
    assert read("It breaks", text).criteria == [Criterion(text="It breaks", source="title")]


def test_criteria_from_a_text_are_bounded() -> None:
    found = read(
        "Do it", "\n".join(f"Thing number {number} must work." for number in range(500)) + "\nIt must " + "x" * 900
    )
    assert len(texts(found, "text")) == 12
    assert max(map(len, texts(found, "text"))) <= 300


def test_open_questions_say_where_the_text_is_silent() -> None:
    bug = read("The export crashes").open_questions
    assert any("reproduce" in question for question in bug)
    assert any("version" in question for question in bug)
    told = read("The export crashes", "I use version 2.1.\n\n1. Open it\n2. Export\n\nExpected: a file.").open_questions
    assert not any("reproduce" in question or "version" in question for question in told)
    api = read("Add an orders endpoint").open_questions
    assert any("error cases" in question for question in api)
    assert any("authentication" in question for question in api)
    named = read("Add an orders endpoint", "Admins only. Invalid input is rejected.").open_questions
    assert not any("error cases" in question or "authentication" in question for question in named)


@pytest.mark.parametrize(
    ("title", "description", "kind"),
    [
        ("Window is blank", "### Type\nBug\n\nIt does not show anything.", "bug_fix"),
        ("Resize", "It would be great to be able to resize this. I'd like to have an option to do so.", "general"),
        ("Problem with my script", "Hi, I tried to run my code and I get this. How can I fix it? Thanks!", "question"),
        ("[Bug] Wrong total", "Steps to reproduce:\n1. Add two\n2. See three", "bug_fix"),
        ("The save button does nothing", "", "bug_fix"),
        ("Totals", "### Type\nBug\n\n### Steps to reproduce\n1. Add two\n2. See three", "bug_fix"),
        ("Retry failed payments", "", "general"),
        ("We need better error messages", "", "general"),
        ("Build a bookshop", "It has images of each book, and an important message on top.", "general"),
        ("Unit converter", "It converts km to miles. Invalid input gives an error message.", "general"),
        ("Snake", "I want to play it in a browser. It ends when the snake hits a wall.", "general"),
        ("Portfolio", "I am a photographer and want to show my pictures.", "general"),
        ("Data import", "Read a file every hour, store the good rows and report the bad ones.", "general"),
        ("How many rows are kept", "## Acceptance criteria\n- The number is shown", "general"),
        ("Send an email when a build fails", "", "general"),
        ("Lock accounts", "We need this. Admins should be able to lock an account.", "general"),
        (
            "Totals",
            "### Issue type\nSupport\n\nI tried to add two numbers and I get three. How do I do it?",
            "question",
        ),
        ("[Question] the order of rows", "Hi, I am new here. Are they sorted?", "question"),
    ],
)
def test_reports_fall_into_families(title: str, description: str, kind: str) -> None:
    assert read(title, description).type == kind
