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
            "stopped working, no longer works, no longer, cant use, wont work, doesn t work, does nothing, "
            "nothing happens",
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
            "user story, we need, i want to, as a user",
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
            "an account of a try": "i tried, tried to, i got, i couldnt, i need, when i, heres, here is my, "
            "like this, so it, but it, below, whenever",
            "a reasoned account": "therefore, results in, result in, as follows, this can, appears to, ensure, "
            "implemented, containing, due to, causes, caused by, seems to, in order to, per, introduced, follow up",
            "a change": "change, to change, way to, automatically, similar, old, possible to, to have, must",
            "please": "please",
            "a result": "happen~, result, results, correctly, works, every",
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

START = (0.0, 0.1, -0.1)
"""Points of a bug, a feature and a question before a word is read: whoever asks for work mostly wants something."""

POINTS: dict[str, tuple[float, float, float]] = {
    "a few lines of code": (-0.2, 0.0, 0.1),
    "a folded part": (-0.3, -0.1, 0.3),
    "a list": (-0.4, 0.2, 0.1),
    "a picture": (0.5, -0.3, -0.2),
    "a section for a wish": (-0.3, 0.6, -0.3),
    "a section for notes": (0.0, 0.1, -0.1),
    "a section for the problem": (0.1, -0.2, 0.1),
    "a section for what happens": (-0.2, 0.3, 0.0),
    "a section for what was expected": (-0.1, 0.0, 0.2),
    "a stack trace or log": (-0.1, -0.2, 0.3),
    "a template's comments": (-0.4, -0.1, 0.5),
    "an error in code": (0.5, -0.1, -0.3),
    "begins with a greeting": (-0.2, -0.3, 0.5),
    "begins with the present": (-0.2, 0.2, 0.0),
    "begins with the writer": (-0.4, -0.1, 0.4),
    "comes with a change": (0.2, 0.4, -0.5),
    "filed as bug": (0.6, -0.4, -0.2),
    "filed as feature": (-0.4, 0.7, -0.3),
    "filed as question": (-0.3, -0.3, 0.6),
    "filed as support": (-0.5, -0.6, 1.1),
    "hardly anything but code": (0.2, 0.0, -0.1),
    "in another script": (0.0, -0.2, 0.2),
    "much code or log": (0.2, -0.3, 0.1),
    "names a version": (0.0, -0.2, 0.1),
    "names code": (0.2, 0.0, -0.2),
    "numbered steps": (0.4, -0.2, -0.1),
    "points to a file": (-0.1, 0.3, -0.2),
    "points to a line of code": (0.2, 0.0, -0.2),
    "questions left blank": (0.0, 0.2, -0.2),
    "refers to a forum": (0.0, -0.2, 0.2),
    "refers to other issues": (0.5, 0.1, -0.6),
    "says when it counts as done": (0.0, 0.2, -0.8),
    "sent by a reporting tool": (-0.2, -0.2, 0.4),
    "several questions": (-0.2, 0.1, 0.1),
    "steps to reproduce": (0.5, -0.1, -0.4),
    "the text asks": (-0.2, 0.0, 0.2),
    "the title asks for a change": (-0.4, 0.6, -0.2),
    "the title begins in lower case": (-0.2, -0.2, 0.3),
    "the title begins like a question": (-0.2, 0.1, 0.2),
    "the title ends in a full stop": (0.1, -0.2, 0.1),
    "the title ends in a question mark": (-0.3, -0.1, 0.4),
    "the title is a sentence": (0.0, -0.1, 0.2),
    "the title is in capitals": (-0.2, 0.4, -0.3),
    "the title is very short": (-0.3, 0.0, 0.3),
    "the title names a part of the system first": (0.3, 0.0, -0.3),
    "the title quotes": (0.2, 0.3, -0.4),
    "the title says it is a bug": (0.5, -0.2, -0.2),
    "the title says it is a question": (-0.1, -0.2, 0.3),
    "the title says it is a wish": (-0.2, 0.3, -0.1),
    "the title tells what happens": (0.2, -0.1, -0.1),
    "written casually": (0.0, -0.3, 0.3),
    "written on a template for a bug": (-0.2, 0.2, 0.1),
    "written on a template for a feature": (-0.2, 0.4, -0.1),
    "text: a call for help": (-0.1, -0.3, 0.4),
    "text: a change": (-0.3, 0.5, -0.2),
    "text: a comparison with before": (0.4, -0.3, -0.2),
    "text: a crash": (0.3, -0.1, -0.2),
    "text: a denial": (0.1, 0.0, -0.1),
    "text: a failure": (0.0, 0.0, -0.1),
    "text: a fault": (0.4, -0.3, -0.1),
    "text: a machine": (-0.1, 0.0, 0.1),
    "text: a moment": (0.1, -0.3, 0.1),
    "text: a permission": (-0.2, 0.1, 0.1),
    "text: a possibility": (-0.3, 0.4, -0.1),
    "text: a question": (-0.2, -0.2, 0.4),
    "text: a reasoned account": (0.3, 0.1, -0.4),
    "text: a repair": (0.0, -0.1, 0.1),
    "text: a request": (-0.4, 0.4, 0.0),
    "text: a result": (0.4, -0.4, 0.0),
    "text: a wish": (-0.4, 0.5, -0.1),
    "text: alternatives": (0.2, 0.0, -0.1),
    "text: an account of a try": (-0.4, -0.1, 0.5),
    "text: an addition": (-0.1, 0.1, 0.0),
    "text: an error": (0.0, -0.2, 0.2),
    "text: an expectation": (0.0, 0.0, 0.1),
    "text: an improvement": (-0.1, 0.1, 0.0),
    "text: being unable": (0.1, -0.1, 0.1),
    "text: data of one's own": (-0.1, 0.2, -0.1),
    "text: how to": (-0.1, -0.1, 0.2),
    "text: learning": (-0.3, 0.2, 0.2),
    "text: not knowing": (0.1, -0.2, 0.1),
    "text: not working": (0.1, 0.0, -0.1),
    "text: please": (-0.5, 0.3, 0.1),
    "text: something missing": (0.1, -0.2, 0.0),
    "text: something wrong": (0.3, -0.3, 0.0),
    "text: support": (-0.1, 0.1, 0.0),
    "text: tests": (0.2, -0.1, -0.1),
    "text: the present": (-0.1, 0.1, 0.0),
    "text: the team": (-0.2, 0.3, -0.1),
    "text: the writer's own": (-0.2, -0.1, 0.3),
    "text: trying": (-0.2, 0.0, 0.2),
    "title: a comparison with before": (0.1, 0.0, -0.1),
    "title: a crash": (0.3, -0.1, -0.2),
    "title: a denial": (0.2, -0.1, -0.1),
    "title: a failure": (0.3, -0.3, 0.0),
    "title: a fault": (0.5, -0.5, 0.0),
    "title: a machine": (0.0, -0.3, 0.3),
    "title: a moment": (0.2, 0.0, -0.1),
    "title: a permission": (-0.2, 0.2, 0.0),
    "title: a possibility": (0.1, 0.2, -0.3),
    "title: a question": (-0.2, -0.1, 0.2),
    "title: a repair": (0.7, -0.4, -0.3),
    "title: a request": (-0.2, 0.2, 0.0),
    "title: an addition": (-0.2, 0.4, -0.2),
    "title: an error": (0.3, -0.3, 0.0),
    "title: an expectation": (0.2, -0.1, -0.1),
    "title: an improvement": (0.0, 0.3, -0.2),
    "title: being unable": (0.1, -0.2, 0.0),
    "title: data of one's own": (-0.2, -0.1, 0.3),
    "title: how to": (-0.3, -0.1, 0.4),
    "title: learning": (0.0, 0.0, 0.1),
    "title: not knowing": (0.0, -0.1, 0.0),
    "title: not working": (0.4, -0.3, 0.0),
    "title: something missing": (0.1, -0.2, 0.1),
    "title: something wrong": (0.2, -0.3, 0.1),
    "title: support": (-0.4, 0.6, -0.2),
    "title: tests": (0.2, -0.3, 0.0),
    "title: the writer": (0.0, -0.2, 0.1),
}
"""What each group and sign gives to a bug, a feature and a question.

The figures were fitted offline on labelled reports, with a strong pull towards nothing, and rounded to tenths; what
weighed less, or only made up for other signs, was left out. None is worked out at run time.
"""

FAULTS = frozenset(
    {
        "a fault",
        "a crash",
        "title: a failure",
        "not working",
        "being unable",
        "title: an error",
        "a comparison with before",
        "title: a repair",
        "title: something wrong",
        "title: something missing",
        "title: a denial",
        "title: an expectation",
        "title: a result",
        "the title says it is a bug",
        "filed as bug",
        "written on a template for a bug",
        "steps to reproduce",
        "a stack trace or log",
        "an error in code",
        "much code or log",
        "a picture",
        "refers to other issues",
    }
)
"""A task is a bug only if it shows one of these, a group anywhere or where it says.

Words in passing make none: most tasks say when something happens, or what is not to be.
"""

QUERIES = frozenset(
    {
        "how to",
        "a question",
        "not knowing",
        "a call for help",
        "an account of a try",
        "the title ends in a question mark",
        "the title begins like a question",
        "the title says it is a question",
        "the text asks",
        "several questions",
        "begins with a greeting",
        "filed as question",
        "filed as support",
        "refers to a forum",
        "a folded part",
        "a stack trace or log",
        "a template's comments",
        "sent by a reporting tool",
    }
)
"""A task is a question only if it shows one of these; style makes none: "login page" is short and in lower case."""
