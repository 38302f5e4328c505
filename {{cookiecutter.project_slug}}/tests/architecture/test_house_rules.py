"""Size, names, comments, transactions: the rules of AGENTS.md, each held by a test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import ROOT

CODE = [
    path for name in ("app", "usecases", "ops", "infra", "benchmarks") for path in sorted((ROOT / name).rglob("*.py"))
]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES, FUNCTION_LINES, ARGUMENTS, POSITIONAL = 400, 60, 7, 3
NAMELESS = {"utils", "util", "common", "helpers", "helper", "core", "base", "manager", "misc"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.proves("OPS-3")
def test_files_are_short():
    assert not [f"{relative(path)}: {n}" for path in CODE if (n := path.read_text().count("\n")) > FILE_LINES]


def test_functions_are_short_and_take_few_arguments():
    faults = []
    for path in CODE:
        for function in functions(path):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            positional = [
                arg.arg for arg in function.args.posonlyargs + function.args.args if arg.arg not in ("self", "cls")
            ]
            routed = any("router" in ast.unparse(decorator) for decorator in function.decorator_list)
            command = relative(path).startswith("app/cli/")
            if lines > FUNCTION_LINES or (not routed and not command and len(positional) > POSITIONAL + 3):
                faults.append(
                    f"{relative(path)}:{function.lineno} {function.name}: {lines} lines, {len(positional)} positional"
                )
    assert not faults


def test_half_of_the_files_fit_two_screens():
    sizes = sorted(path.read_text().count("\n") for path in CODE if path.name != "__init__.py")
    assert sizes[len(sizes) // 2] <= 120


def test_names_say_what_things_are():
    assert not [relative(path) for path in CODE if path.stem in NAMELESS or path.parent.name in NAMELESS]


def test_transactions_are_committed_in_one_place():
    commits = [relative(path) for path in CODE if re.search(r"\.commit\(\)", path.read_text())]
    assert commits == ["app/store/db.py"]


def test_nothing_is_left_to_do():
    marks = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)|NotImplementedError")
    assert not [relative(path) for path in CODE if marks.search(path.read_text())]


def test_every_test_asserts_something():
    words = re.compile(r"\bassert\b|raises|check|expect|verify|validate_response|screenshot|EXPLAIN")
    silent = []
    for path in TESTS:
        own = {function.name: ast.unparse(function) for function in functions(path)}
        # A helper of the same file may do the asserting.
        helpers = [name for name, source in own.items() if words.search(source) and not name.startswith("test_")]
        asserting = re.compile("|".join([words.pattern, *(rf"\b{name}\(" for name in helpers)]))
        silent += [
            f"{relative(path)} {name}"
            for name, source in own.items()
            if name.startswith("test_") and not asserting.search(source)
        ]
    assert not silent


def test_no_test_stops_the_clock_that_all_servers_of_the_run_sleep_by():
    stopped = re.compile(r"""setattr\(\s*(time\s*,\s*["']|["']time\.)(monotonic|perf_counter)""")
    assert stopped.search('monkeypatch.setattr(time, "monotonic", lambda: 1)')
    assert not [relative(path) for path in TESTS if path != Path(__file__) and stopped.search(path.read_text())]


def test_no_python_file_holds_template_syntax():
    left = [relative(path) for path in CODE + TESTS if re.search(r"\{\{\s*cookiecutter|\{%[^\n]*%\}", path.read_text())]
    assert not [name for name in left if not name.startswith(("tests/", "ops/template_update"))]
