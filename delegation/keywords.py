"""The tables: which words and phrases speak for which kind of task, area, skill and difficulty, and how strongly.

A word ending in ``~`` stands for its inflections; see :mod:`delegation.lexicon`. The tables name general vocabulary
of software work, no product's own, except where a product is the skill.
"""

from delegation.lexicon import Lexicon

__all__ = ["AREAS", "EASE", "HARDNESS", "SKILLS", "TYPES"]

TYPES = Lexicon(
    {
        "api_endpoint": {
            3.0: "endpoint~, rest api, graphql, api route~, webhook~, http api, grpc",
            1.5: "api~, route~, http, rest, json response, status code, openapi, swagger, rate limit~",
            1.0: "server side, request body, query parameter~, pagination",
        },
        "user_interface": {
            3.0: "ui, user interface, frontend, front end, dark mode, web page, login page, landing page",
            1.5: "button~, page~, screen~, dialog~, modal~, form~, menu~, widget~, layout~, css, component~, "
            "dashboard~",
            1.0: "display~, view~, responsive, icon~, theme~, tooltip~, dropdown~, sidebar~, toolbar~, hover~, tab~",
        },
        "database": {
            3.0: "database~, schema migration~, sql, postgres, postgresql, mysql, sqlite, mongodb",
            1.5: "table~, column~, schema~, migration~, query, queries, index~, foreign key~, stored procedure~",
        },
        "refactoring": {
            3.0: "refactor~, refactoring, clean up, cleanup, restructure~, rename~, simplify~, technical debt, "
            "dead code",
            1.5: "extract~, deduplicate~, move~, split~, modernize~, modernise~, deprecate~, replace~",
        },
        "testing": {
            3.0: "unit test~, integration test~, test coverage, regression test~, end to end test~, write tests, "
            "add tests",
            1.5: "test suite~, pytest, jest, flaky, test case~, coverage, fuzz~, benchmark~",
        },
        "documentation": {
            3.0: "documentation, readme, docs, docstring~, tutorial~, user guide~, changelog, document the",
            1.5: "typo~, guide~, wording, example code, api reference, broken link~, document~",
        },
        "deployment": {
            3.0: "deploy~, deployment~, ci, ci cd, cd pipeline, docker, dockerfile, kubernetes, helm, terraform, "
            "github actions",
            1.5: "release~, pipeline~, container~, infrastructure, rollback~, monitoring, nginx, aws, azure, gcp, "
            "staging",
        },
        "machine_learning": {
            3.0: "machine learning, neural network~, train a model, fine tune~, training pipeline, deep learning, "
            "classifier~",
            1.5: "dataset~, inference, embedding~, model training, tensorflow, pytorch, keras, gpu training, "
            "hyperparameter~",
        },
        "design": {
            3.0: "wireframe~, mockup~, prototype~, design system~, ux, user experience, figma, visual design",
            1.5: "redesign~, branding, logo~, typography, colour scheme, color scheme, user flow~, usability",
        },
    }
)

AREAS = Lexicon(
    {
        "backend": {
            3.0: "backend, back end, api~, endpoint~, server~, microservice~, rest, graphql, webhook~, grpc, daemon~",
            2.0: "authorization, authorisation, password~, oauth, jwt, session~, payment~, billing, email~, "
            "notification~",
            1.0: "route~, http, service~, queue~, cache~, caching, worker~, token~, upload~, download~, csv export, "
            "import~, export~, validate~, validation, request~, response~, rpc, scheduler~, cli, command line, "
            "parser~",
        },
        "frontend": {
            3.0: "frontend, front end, ui, user interface, web page~, css, html, react, vue, angular, svelte, "
            "dark mode, single page app, landing page~",
            2.0: "button~, page~, screen~, dialog~, modal~, form~, menu~, dashboard~, navbar, sidebar~, toolbar~",
            1.0: "browser~, display~, click~, layout~, widget~, component~, tooltip~, dropdown~, theme~, responsive, "
            "icon~, hover~, scroll~, render~, font~, accessibility, keyboard shortcut~, tab~",
        },
        "both": {
            2.0: "authentication, authenticate~, login, log in, sign in, sign up, signup, registration, checkout, "
            "user account~, user profile~, shopping cart, booking, file upload~, user management"
        },
        "database": {
            3.0: "database~, sql, postgres, postgresql, mysql, sqlite, mongodb, redis, schema migration~, db",
            1.0: "table~, column~, schema~, migration~, foreign key~, data model~, persist~, transaction~, orm",
        },
        "infrastructure": {
            3.0: "deploy~, deployment~, docker, dockerfile, kubernetes, k8s, helm, terraform, ci cd, ci, "
            "github actions, "
            "nginx, infrastructure, ansible, devops",
            1.0: "pipeline~, container~, cluster~, monitoring, prometheus, grafana, aws, azure, gcp, rollback~, "
            "staging, "
            "load balancer~, autoscaling, cmake, makefile, build system, installer~, packaging",
        },
        "machine_learning": {
            3.0: "machine learning, neural network~, deep learning, train a model, tensorflow, pytorch, keras, "
            "classifier~",
            1.0: "dataset~, inference, embedding~, tensor~, gpu, training, epoch~, gradient~, onnx, quantization",
        },
        "design": {
            3.0: "wireframe~, mockup~, prototype~, design system~, ux, user experience, figma, visual design, "
            "redesign~",
            1.0: "branding, typography, logo~, colour scheme, color scheme, user flow~, usability",
        },
        "docs": {
            3.0: "documentation, readme, docs, docstring~, tutorial~, user guide~, changelog, documented",
            1.0: "typo~, api reference, document, wording, broken link~",
        },
        "tests": {
            3.0: "unit test~, integration test~, test coverage, regression test~, test suite~, end to end test~",
            1.0: "pytest, jest, coverage, flaky, test case~",
        },
    }
)

SKILLS = Lexicon(
    {
        "python": {1.0: "python, django, flask, fastapi, pytest, numpy, pandas, pip"},
        "javascript": {1.0: "javascript, js, node, node.js, nodejs, npm, yarn, webpack, jest"},
        "typescript": {1.0: "typescript, ts, tsx"},
        "react": {1.0: "react, react.js, reactjs, jsx, redux, next.js, react native"},
        "html_css": {1.0: "html, css, scss, sass, tailwind, bootstrap"},
        "sql": {1.0: "sql, postgres, postgresql, mysql, sqlite, mariadb, sqlalchemy"},
        "mongodb": {1.0: "mongodb, mongo"},
        "redis": {1.0: "redis"},
        "java": {1.0: "java, spring, spring boot, maven, gradle, kotlin, android"},
        "go": {1.0: "golang, goroutine~"},
        "rust": {1.0: "rust, cargo"},
        "cpp": {1.0: "c++, cpp, cmake, opencv, qt"},
        "csharp": {1.0: "c#, csharp, dotnet, asp.net"},
        "docker": {1.0: "docker, dockerfile, docker compose, container image~"},
        "kubernetes": {1.0: "kubernetes, k8s, helm, kubectl"},
        "ci_cd": {1.0: "ci cd, ci, github actions, gitlab ci, jenkins, pipeline~"},
        "aws": {1.0: "aws, s3, ec2, dynamodb, cloudformation"},
        "terraform": {1.0: "terraform, ansible"},
        "rest": {1.0: "rest, rest api, restful, endpoint~, openapi, swagger"},
        "graphql": {1.0: "graphql"},
        "authentication": {
            1.0: "authentication, authenticate~, oauth, jwt, login, log in, sign in, sso, two factor, password reset"
        },
        "security": {1.0: "security, encrypt~, encryption, xss, csrf, sql injection, vulnerability, vulnerabilities"},
        "machine_learning": {
            1.0: "machine learning, deep learning, neural network~, tensorflow, pytorch, keras, scikit learn, "
            "classifier~"
        },
        "gpu": {1.0: "cuda, gpu~, cudnn, opencl"},
        "testing": {1.0: "unit test~, integration test~, test coverage, pytest, jest, cypress, selenium, playwright"},
        "ux_design": {1.0: "ux, user experience, wireframe~, mockup~, figma, usability, accessibility, design system~"},
        "technical_writing": {1.0: "documentation, readme, tutorial~, user guide~, docs"},
        "performance": {1.0: "performance, latency, throughput, memory leak~, profiling, slow"},
    }
)

HARDNESS = Lexicon(
    {
        "security": {1.0: "security, encryption, authentication, authorization, oauth, payment~, vulnerability, gdpr"},
        "concurrency": {
            1.0: "concurrent, concurrency, race condition~, deadlock~, thread safe, thread safety, parallel"
        },
        "data migration": {1.0: "migration~, migrate~, existing data, backfill~, schema change~"},
        "scale": {1.0: "distributed, scalable, scalability, high availability, real time, throughput, large scale"},
        "compatibility": {1.0: "backward compatible, backwards compatible, backward compatibility, breaking change~"},
        "performance": {1.0: "performance, latency, memory leak~, out of memory"},
        "integration": {1.0: "third party, integrate with, integration with, external service~, external api~"},
    }
)

EASE = Lexicon({"small": {1.0: "typo~, rename~, trivial, one liner, minor, simple, small, wording, bump~"}})
