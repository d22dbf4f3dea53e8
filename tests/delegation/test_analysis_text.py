"""Texts as people write them: what is a heading, a step, code, a trace, and what is a template's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delegation import Task
from delegation.lexicon import Lexicon, words_of
from delegation.mentions import interfaces_in, mentions_of
from delegation.reading import LONGEST_DESCRIPTION, Reading
from delegation.requirements import requirements_of
from delegation.sections import Section, section_of
from delegation.text import BlockKind, plain, split

REPORT = """<!-- Please search existing issues first: crash -->
### Describe the bug
The export **fails** for [large](https://example.org/ui) tables.

#### Steps to reproduce
1. Open `reports/export.py`
2. Click *Export*
   and wait

#### Expected behavior
A file is written.

#### Environment
- OS: Linux

```python
def build(): raise ValueError("ui")
```
Traceback (most recent call last):
  File "export.py", line 3, in <module>
ValueError: ui

- [ ] I want a feature
- [x] I read the guide
_No response_
"""


def kinds(text: str) -> list[tuple[str, str]]:
    return [(block.kind.value, block.text) for block in split(text)]


def test_a_report_comes_apart_into_what_its_parts_are() -> None:
    blocks = split(REPORT)
    found = [(block.kind, block.section, block.text.split("\n")[0]) for block in blocks]
    assert found == [
        (BlockKind.PARAGRAPH, Section.PROBLEM, "The export **fails** for [large](https://example.org/ui) tables."),
        (BlockKind.ITEM, Section.REPRODUCTION, "Open `reports/export.py`"),
        (BlockKind.ITEM, Section.REPRODUCTION, "Click *Export*"),
        (BlockKind.PARAGRAPH, Section.EXPECTED, "A file is written."),
        (BlockKind.PARAGRAPH, Section.ENVIRONMENT, "Linux"),
        (BlockKind.CODE, Section.ENVIRONMENT, 'def build(): raise ValueError("ui")'),
        (BlockKind.TRACE, Section.ENVIRONMENT, "Traceback (most recent call last):"),
        (BlockKind.ITEM, Section.ENVIRONMENT, "I want a feature"),
        (BlockKind.ITEM, Section.ENVIRONMENT, "I read the guide"),
    ]
    assert [block.number for block in blocks if block.kind is BlockKind.ITEM] == [1, 2, None, None]
    assert [block.checked for block in blocks][-2:] == [False, True]


def test_an_authors_own_heading_is_content_and_a_templates_is_not() -> None:
    assert kinds("# Login page\n\nText") == [("heading", "Login page"), ("paragraph", "Text")]
    assert kinds("## Steps to reproduce\n\nText") == [("paragraph", "Text")]
    assert kinds("**Expected behaviour**: it works") == [("paragraph", "it works")]
    assert kinds("Login page\n==========\nText") == [("heading", "Login page"), ("paragraph", "Text")]


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("Steps to reproduce the problem", Section.REPRODUCTION),
        ("What is the expected behavior?", Section.EXPECTED),
        ("Acceptance criteria", Section.CRITERIA),
        ("Python version", Section.ENVIRONMENT),
        ("Which browser and OS are affected by this issue?", Section.ENVIRONMENT),
        ("Reproduce the colours of the old theme", Section.BODY),
        ("Version the public API", Section.BODY),
        ("", Section.BODY),
        ("x" * 10_000, Section.BODY),
    ],
)
def test_a_heading_is_a_templates_only_in_a_known_wording(heading: str, section: Section) -> None:
    assert section_of(heading) is section


def test_code_in_a_fence_that_never_closes_stays_code() -> None:
    assert kinds("Text\n\n```\nthe ui must work") == [("paragraph", "Text"), ("code", "the ui must work")]


def test_a_longer_fence_holds_a_shorter_one() -> None:
    assert kinds("````\n```\nx\n```\n````\nText") == [("code", "```\nx\n```"), ("paragraph", "Text")]


def test_folded_parts_are_set_apart() -> None:
    assert kinds("<details>\nthe ui\n</details>\nText")[-1] == ("paragraph", "Text")
    assert kinds("<details>\nthe ui\n</details>")[0][0] == "aside"


def test_a_fold_around_the_whole_report_is_opened() -> None:
    report = (
        "<details><summary>Click to expand!</summary>\n\n### Type\nBug\n\n### Problem\nIt stops.\n</details>\nThanks"
    )
    assert [(block.section, block.text) for block in split(report)] == [
        (Section.KIND, "Bug"),
        (Section.PROBLEM, "It stops."),
        (Section.PROBLEM, "Thanks"),
    ]
    assert kinds("<details>\nthe log\n</details>\n# Login page")[0] == ("aside", "<details>\nthe log\n</details>")
    assert split("<details>\n# Type\n" + "x" * 10)[0].text == "x" * 10


def test_an_answer_that_a_form_has_fenced_is_read_as_what_it_is() -> None:
    said = "The window stays empty after the first click, and nothing happens."
    assert kinds(f"### Current behaviour\n```shell\n{said}\n```") == [("paragraph", said)]
    assert kinds(f"Text\n```shell\n{said}\n```")[1] == ("code", said)
    ran = "for (i = 0; i < n; i++) { total += values[i]; } return total;"
    assert kinds(f"### Current behaviour\n```c\n{ran}\n```") == [("code", ran)]


@pytest.mark.parametrize("word", ["build", "require", "suite", "guide", "fruit", "equip", "my_ui_thing", "liquid"])
def test_keywords_are_whole_words(word: str) -> None:
    table = Lexicon({"interface": {1.0: "ui, user interface"}})
    assert table.find(words_of(f"the {word} of it")) == []
    assert "frontend" not in requirements_of(Task(title=f"The {word} of it")).areas


@pytest.mark.parametrize("text", ["the UI", "UI.", "(ui)", "a new ui-test", "user  Interface", "the user\ninterface's"])
def test_words_and_phrases_are_found_whatever_is_around_them(text: str) -> None:
    table = Lexicon({"interface": {1.0: "ui, user interface~, user interfaces"}})
    assert [hit.finding for hit in table.find(words_of(text.replace("'s", "")))] == ["interface"]


def test_a_table_knows_inflections_and_takes_the_longest_phrase() -> None:
    table = Lexicon({"fault": {1.0: "crash~, crash on start, copy~, move~"}})
    found = [hit.phrase for hit in table.find(words_of("Crashes; crash on start; copies, moving"))]
    assert found == ["crashes", "crash on start", "copies", "moving"]


def test_what_stands_in_code_is_no_evidence() -> None:
    found = requirements_of(Task(title="Do it", description="```\ndatabase postgres sql\n```\n    kubernetes deploy\n"))
    assert found.areas == []
    assert found.skills == {}


def test_interfaces_are_found_and_not_made_up() -> None:
    text = "Call `POST /login` or GET /users/{id} in src/auth/login.py, see parse_user() and UserService; docs at https://a.b/c.py"
    assert interfaces_in([text]) == [
        "POST /login",
        "GET /users/{id}",
        "src/auth/login.py",
        "parse_user()",
        "UserService",
    ]
    assert interfaces_in(["Nothing is named here, and/or there. Either way 1/2."]) == []


def test_plain_text_has_no_marks() -> None:
    assert plain("**a** [b](http://x.y/z) ![c](d) <br> https://e.f `g`").split() == ["a", "b", "c", "g"]


UNITS = [
    *(
        "[",
        "[a](",
        "<",
        "<!--",
        "`",
        "**",
        "*a",
        "- ",
        "1. ",
        "#",
        "# ",
        "|",
        "\n",
        " ",
        "\t",
        "a ",
        "a.",
        "a/",
        "a_",
        "::",
    ),
    *("a::", "aA", "should ", "when ", "at x", "(", "\\", "é", "😀", "```\n", "> ", "<details>", 'File "', "https://"),
    *(
        "\x00",
        "a-",
        "/a",
        ".py",
        "must\n",
        "x: ",
        "**a",
        "http://a ",
        "[x] ",
        "given when then ",
        "~",
        "?",
        "Error",
        "\r",
    ),
    *("\u2028", "at a.b(c:", "ld: ", "is it ", "i ", "#1234 ", "GET /", "{}", "a@b", "[a]: ", "\ta", "    a\n", "a?\n"),
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("size", [200_000])
@pytest.mark.timeout(60)  # a fraction of a second in truth; a quadratic pattern takes minutes
def test_hostile_text_is_analysed_in_linear_time(unit: str, size: int) -> None:
    text = (unit * (size // len(unit) + 1))[:size]
    found = requirements_of(
        Task(title="t" + text[:10_000], description=text + "e", acceptance_criteria=["c" + text + "e"])
    )
    assert any("only its first" in question for question in found.open_questions)


def test_what_lies_beyond_the_limit_is_not_read() -> None:
    far = Task(title="Do it", description="x\n" * LONGEST_DESCRIPTION + "\nkubernetes")
    assert "kubernetes" not in requirements_of(far).skills
    assert Reading(far).cut


@given(st.text(max_size=300))
def test_any_text_splits_into_blocks_that_hold_its_words(text: str) -> None:
    for block in split(text):
        assert block.text
        assert all(word in text for word in block.text.split())
    assert mentions_of(Reading(Task(title="x", description=text))) is not None
