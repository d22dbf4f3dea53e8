import pytest

from agents.workspace import is_test, touched_tests

TESTS = [
    "tests/test_app.py",
    "test_app.py",
    "pkg/app_test.py",
    "conftest.py",
    "pytest.ini",
    "cmd/main_test.go",
    "src/app.test.ts",
    "src/app.spec.jsx",
    "cypress/login.cy.js",
    "jest.config.js",
    "src/__tests__/app.js",
    "src/test/java/com/shop/CartTest.java",
    "CartIT.kt",
    "Shop.Tests/CartTests.cs",
    "spec/models/user_spec.rb",
    "test/user_test.exs",
    "tests/integration.rs",
    "features/login.feature",
    "t/basic.t",
    "tests/data/expected.json",
    "phpunit.xml",
]
OTHERS = [
    "app.py",
    "latest.py",
    "contest.py",
    "attest/app.py",
    "src/testing.py",
    "docs/testing.md",
    "protest.js",
    "src/Contest.java",
    "greatest.go",
    "testimonials/page.html",
    "inspect.py",
    "src/features/login.tsx",
    "src/integration/client.py",
    "README.md",
]


@pytest.mark.parametrize("path", TESTS)
def test_tests_are_known_in_each_ecosystem(path: str) -> None:
    assert is_test(path)


@pytest.mark.parametrize("path", OTHERS)
def test_other_files_are_not_taken_for_tests(path: str) -> None:
    assert not is_test(path)


def test_what_is_new_is_no_touched_test() -> None:
    changes = [("tests/a.py", "M"), ("tests/b.py", "D"), ("tests/c.py", "A"), ("tests/d.py", "T"), ("app.py", "M")]
    assert touched_tests(changes) == {"tests/a.py": "changed", "tests/b.py": "deleted", "tests/d.py": "changed"}


@pytest.mark.parametrize(
    "path", ["conftest.py", "tests/conftest.py", "pytest.ini", ".pytest.ini", "sitecustomize.py", "web/jest.config.ts"]
)
def test_what_is_new_and_decides_how_tests_run_touches_those_that_there_are(path: str) -> None:
    assert touched_tests([(path, "A")]) == {path: "added"}
