"""The three families of tasks (a fault, a wish, a question): groups of words, signs, and the points that each gives."""

from delegation.lexicon import Lexicon

__all__ = ["FAULTS", "GROUPS", "POINTS", "QUERIES", "START"]

_ONE = 1.0
GROUPS = Lexicon(
    {
        group: {_ONE: phrases}
        for group, phrases in {
            "a fault": "bug~, regression~, regressed, broken, faulty, defect~",
            "a crash": "crash~, segfault~, segmentation fault, aborted, core dumped, freeze~, hang~, deadlock~, "
            "stuck, "
            "assertion failed, assertion failure, fatal, infinite loop, check failed, unresponsive",
            "a failure": "fail~, failure~, fails to, failed to, could not, unable to, timeout, timed out, "
            "intermittent, "
            "flaky",
            "something wrong": "wrong, wrongly, incorrect, incorrectly, unexpected, unexpectedly, inconsistent, "
            "invalid, "
            "corrupted, garbled, mismatch, duplicate~, strange, weird, misleading, bad, loses, lost, disappears, "
            "nan, overflow, undefined behavior, out of bounds, use after free, data race, race, race condition, "
            "leak~, "
            "memory leak~",
            "something missing": "missing, is gone, not shown, not showing, not respected, ignored, ignores, "
            "not applied, "
            "not updated, not updating, not called, not found",
            "not working": "doesnt work, does not work, not working, not work, didnt work, dont work, isnt working, "
            "stopped working, no longer works, no longer, cant use, wont work, doesn t work",
            "a repair": "fix, fixes, fixed, fixing, resolves, patch, revert",
            "a moment": "when, after, while, on startup, on shutdown, every time, always, sometimes, randomly, if i",
            "an expectation": "expected, expect, should not, shouldnt, instead of, supposed to, actually",
            "a comparison with before": "used to work, worked, previously, since, works fine, works as expected, "
            "latest version, after updating, after upgrade, after upgrading, bisect, bisected, nightly, insiders",
            "a denial": "not, doesnt, does not, isnt, is not, wont, didnt, never",
            "being unable": "cant, cannot, can not, couldnt, not able to, im unable, i cant",
            "an error": "error~, exception~, traceback, warning~, undefined reference, unresolved",
            "tests": "test, tests, ci, sanitizer, fuzz, fuzzing, unit test~",
            "a wish": "would be nice, would be great, would be good, would be useful, would be helpful, "
            "would be awesome, "
            "would be better, would love, would like to have, it would be, itd be, id like to see, wish, "
            "be nice, nice to "
            "have, it may be useful, might be useful, useful, helpful, handy, convenient, benefit~, please add, "
            "nice if",
            "a request": "feature request, feature, features, enhancement~, proposal, propose~, suggest, suggestion, "
            "request, rfc, motivation, use case~, add support, support for, ability to, option to, allow us, "
            "user story",
            "an addition": "add~, adding, implement~, introduce~, new, extra, additional, extend, provide, expose, "
            "create a, enable",
            "support": "support, supports, supported, supporting, unsupported, compatibility, compatible",
            "a permission": "allow, allows, allowing, configurable, customize, custom, optional, option, setting, flag",
            "an improvement": "improve~, improvement~, better, faster, optimize, optimization, simplify, "
            "cleaner, easier, "
            "refactor, refactoring, cleanup, clean up, readability, consistent, deprecate, consolidate",
            "a possibility": "could, would, might, may be, can be, possible to, should be able, should be possible",
            "the team": "we, our, us, lets",
            "the present": "currently, at the moment, right now, as of now, today, there is no way, no way to, "
            "theres no way, lacks, lack of",
            "alternatives": "alternative~, workaround~, similar to, such as, for example, e.g",
            "how to": "how to, how do i, how can i, how do we, how can we, how should, how can, how do, "
            "how does, how would",
            "a question": "question~, why is, why does, why do, why are, why, what is the, what does, "
            "is it possible, "
            "is there a way, is there any, is there a, is this, any way to, anyone, anybody, someone, does anyone, "
            "can i, can we, am i, should i, do i need, which one",
            "not knowing": "wondering, confused, understand, not sure, dont know, dont understand, no idea, "
            "any idea, "
            "any ideas, explain, explanation, clarify, curious, figure out, unclear, correct way, right way, "
            "best way, "
            "doing wrong, did i, missing something, i thought, advice, guidance",
            "a call for help": "help, please help, help me, need help, appreciated, thanks in advance, any help, "
            "solve this, solve the problem, solution, please tell, assist",
            "politeness": "thanks, thank you, hi, hello, hey, regards, sorry, dear, kindly, guys, sir, cheers",
            "the writer": "i, im, ive, id, me",
            "the writer's own": "my, mine, my code, my app, my project, own",
            "trying": "tried, try, trying, attempt~, i want, i need, i have, i get, i got, i found, i used, "
            "i use, i am, im",
            "learning": "tutorial~, example~, guide, documentation, docs, course, learn~, beginner, newbie, new to, "
            "followed, following the, according to, example code, book",
            "a build": "install~, installation, installing, compile~, compiling, compilation, cmake, make, "
            "building, build, "
            "linker, linking, pip install, npm install, configure, dependency, dependencies, download~, from source",
            "a machine": "ubuntu, windows, linux, macos, mac, raspberry pi, android, docker, anaconda, conda, "
            "colab, wsl, "
            "laptop, visual studio, m1, jetson, cuda, gpu",
            "data of one's own": "image, images, picture, video, camera, dataset, file, folder, website, page, "
            "server, app, "
            "application, model, project",
        }.items()
    }
)
"""Groups of words and phrases; a group counts once for the title and once for the text, however often it is there."""

START = (-0.1, 0.4, -0.3)
"""Points of a bug, a feature and a question before a word is read: whoever asks for work mostly wants something."""

POINTS: dict[str, tuple[float, float, float]] = {
    "a folded part": (0.0, 0.0, 0.4),
    "a picture": (0.4, -0.4, 0.0),
    "a section for a question": (-0.3, -0.3, 0.8),
    "a section for a wish": (-0.4, 0.8, -0.4),
    "a section for the environment": (0.2, -0.5, 0.0),
    "a section for the problem": (0.0, -0.2, 0.0),
    "code": (0.2, 0.0, 0.0),
    "expected and actual behaviour": (0.0, 0.2, 0.0),
    "filed as bug": (0.5, -0.5, 0.0),
    "filed as feature": (-0.3, 0.6, 0.0),
    "filed as question": (-0.3, -0.3, 0.6),
    "filed as support": (-0.3, -0.3, 0.6),
    "little text": (0.0, -0.2, 0.1),
    "numbered steps": (0.2, -0.1, 0.0),
    "refers to a forum": (0.0, -0.2, 0.2),
    "refers to other issues": (0.5, 0.1, -0.7),
    "steps to reproduce": (0.7, -0.2, 0.0),
    "the text asks": (0.0, 0.0, 0.2),
    "the title asks for a change": (-0.4, 0.7, -0.3),
    "the title begins in lower case": (0.0, -0.2, 0.4),
    "the title begins like a question": (-0.3, 0.0, 0.5),
    "the title ends in a question mark": (-0.3, 0.0, 0.4),
    "the title is an error message": (0.0, -0.2, 0.0),
    "the title names a part of the system first": (0.3, 0.0, -0.4),
    "the title names code": (0.2, 0.0, -0.2),
    "written casually": (-0.3, 0.0, 0.3),
    "written on a template for a bug": (0.2, -0.2, 0.0),
    "written on a template for a feature": (-0.2, 0.3, 0.0),
    "text: a build": (-0.2, 0.0, 0.0),
    "text: a call for help": (0.0, 0.0, 0.3),
    "text: a comparison with before": (0.4, 0.0, -0.2),
    "text: a crash": (0.3, -0.2, 0.0),
    "text: a fault": (0.5, -0.2, 0.0),
    "text: a machine": (0.0, -0.2, 0.0),
    "text: a moment": (0.2, -0.3, 0.1),
    "text: a permission": (-0.2, 0.0, 0.0),
    "text: a possibility": (-0.2, 0.5, -0.3),
    "text: a question": (-0.3, 0.0, 0.4),
    "text: a request": (-0.4, 0.5, 0.0),
    "text: a wish": (-0.4, 0.6, -0.1),
    "text: alternatives": (0.0, 0.0, -0.2),
    "text: an addition": (0.0, 0.1, 0.0),
    "text: an error": (0.0, -0.1, 0.2),
    "text: being unable": (0.0, 0.0, 0.1),
    "text: how to": (-0.1, -0.2, 0.3),
    "text: learning": (-0.3, 0.1, 0.2),
    "text: not knowing": (0.1, -0.2, 0.0),
    "text: not working": (0.2, -0.1, -0.1),
    "text: politeness": (0.0, -0.1, 0.1),
    "text: something missing": (0.0, -0.1, 0.0),
    "text: something wrong": (0.2, -0.2, 0.0),
    "text: support": (0.0, 0.2, 0.0),
    "text: the present": (0.0, 0.1, 0.0),
    "text: the team": (-0.2, 0.3, 0.0),
    "text: the writer": (-0.2, 0.0, 0.3),
    "text: the writer's own": (0.0, -0.2, 0.3),
    "text: trying": (-0.2, 0.0, 0.2),
    "title: a crash": (0.7, -0.3, -0.3),
    "title: a denial": (0.2, -0.2, 0.0),
    "title: a failure": (0.4, -0.4, 0.0),
    "title: a fault": (0.7, -0.6, 0.0),
    "title: a machine": (0.0, -0.2, 0.2),
    "title: a moment": (0.1, 0.0, 0.0),
    "title: a permission": (-0.3, 0.2, 0.0),
    "title: a possibility": (0.0, 0.3, -0.3),
    "title: a question": (-0.2, -0.2, 0.0),
    "title: a repair": (0.7, -0.3, -0.4),
    "title: a request": (-0.3, 0.4, 0.0),
    "title: alternatives": (0.0, 0.1, 0.0),
    "title: an addition": (-0.2, 0.4, -0.2),
    "title: an error": (0.2, -0.3, 0.0),
    "title: an expectation": (0.2, 0.0, 0.0),
    "title: an improvement": (0.0, 0.2, -0.2),
    "title: being unable": (0.0, -0.2, 0.0),
    "title: data of one's own": (0.0, -0.1, 0.3),
    "title: how to": (-0.3, 0.0, 0.4),
    "title: learning": (0.0, 0.0, 0.1),
    "title: not working": (0.5, -0.4, 0.0),
    "title: politeness": (0.0, 0.0, 0.1),
    "title: something missing": (0.2, -0.2, 0.0),
    "title: something wrong": (0.3, -0.3, 0.0),
    "title: support": (-0.4, 0.6, -0.2),
    "title: tests": (0.3, -0.3, 0.0),
    "title: the team": (0.0, -0.1, 0.2),
    "title: the writer": (0.0, -0.1, 0.0),
    "title: trying": (-0.2, 0.0, 0.2),
}
"""What each group and sign gives to a bug, a feature and a question.

Only what holds across projects is here: a weight that pulled one way in one project and another way in the next was
left out, and so was what is weaker than a tenth. The figures were rounded, and none is worked out at run time.
"""

FAULTS = frozenset(
    {
        "a fault",
        "a crash",
        "a failure",
        "something wrong",
        "something missing",
        "not working",
        "a repair",
        "a denial",
        "being unable",
        "an error",
        "an expectation",
        "steps to reproduce",
        "expected and actual behaviour",
        "a stack trace or log",
        "the title is an error message",
        "filed as bug",
        "a comparison with before",
        "a moment",
        "written on a template for a bug",
        "a section for the problem",
    }
)
"""A task is a bug only if it shows one of these; style alone makes none."""

QUERIES = frozenset(
    {
        "how to",
        "a question",
        "not knowing",
        "a call for help",
        "the writer",
        "the writer's own",
        "trying",
        "politeness",
        "learning",
        "the title ends in a question mark",
        "the title begins like a question",
        "the text asks",
        "written casually",
        "filed as question",
        "filed as support",
        "a section for a question",
        "refers to a forum",
        "not working",
        "an error",
        "being unable",
    }
)
"""A task is a question only if it shows one of these: "login page" is short and in lower case, and no question."""
