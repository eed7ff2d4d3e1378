"""House style as a test. Every rule is shown to catch a planted violation."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support import PACKAGES, ROOT

FUNCTION_LINES = 60
FILE_LINES = 400
# Longer files, each with its reason. A file that is no longer longer must leave this list.
LONG_FILES: dict[str, str] = {"tests/unit/test_api_access.py": "a row for every route of the API"}

CLOCKS = ("gateway/clock.py", "firmware_sim/clock.py")
TODAY = {"now", "utcnow", "today"}
TIMERS = {"call_later", "call_at"}
QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "JoinableQueue"}
EXECUTES = {"execute", "executemany", "executescript"}
# Spelled in two halves, so that this file does not hold them.
LEFTOVER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")

Rule = Callable[[str, str, ast.Module], Iterator[str]]


def docstring_lines(node: ast.AsyncFunctionDef | ast.FunctionDef) -> int:
    """How many lines the docstring takes."""
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return (first.end_lineno or first.lineno) - first.lineno + 1
    return 0


def name_of(node: ast.expr) -> str:
    """Dotted name of an expression: `asyncio.Queue` for asyncio.Queue; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        base = name_of(node.value)
        return f"{base}.{node.attr}" if base else node.attr
    return ""


def short_functions(_path: str, _source: str, tree: ast.Module) -> Iterator[str]:
    """Functions of at most 60 lines, docstring excluded."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1 - docstring_lines(node)
            if lines > FUNCTION_LINES:
                yield f"{node.lineno}: {node.name} has {lines} lines (at most {FUNCTION_LINES})"


def short_files(path: str, source: str, _tree: ast.Module) -> Iterator[str]:
    """Files of at most 400 lines, but for the named tables."""
    lines = len(source.splitlines())
    if lines > FILE_LINES and path not in LONG_FILES:
        yield f"1: {lines} lines (at most {FILE_LINES})"
    if lines <= FILE_LINES and path in LONG_FILES:
        yield "1: is short again; take it out of LONG_FILES"


def _reads_clock(call: ast.Call) -> str | None:
    """Why a call is one for the clock module, or None."""
    name = name_of(call.func)
    owner, _, last = name.rpartition(".")
    first = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    if last in TODAY and owner.rpartition(".")[2] in {"datetime", "date"}:
        return "reads the clock; take a Clock"
    if name in {"asyncio.sleep", "sleep"} and first != 0:
        return "is a timer; use the Clock's sleep"
    if last in TIMERS or (isinstance(call.func, ast.Attribute) and last == "time" and "loop" in ast.unparse(call.func.value)):
        return "is the loop's own clock; take a Clock"
    if last == "datetime64" and first in {"now", "today"}:
        return "reads the clock; take a Clock"
    return None


def one_clock(path: str, _source: str, tree: ast.Module) -> Iterator[str]:
    """Time is read in the clock module only; everything else is handed a Clock."""
    if path in CLOCKS:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name == "time" for alias in node.names):
            yield f"{node.lineno}: imports time; take a Clock"
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield f"{node.lineno}: imports from time; take a Clock"
        elif isinstance(node, ast.Call):
            reason = _reads_clock(node)
            if reason:
                yield f"{node.lineno}: {ast.unparse(node.func)}() {reason}"


def _is_broad(node: ast.expr | None) -> bool:
    """Whether a handler (or suppress) takes every error."""
    if isinstance(node, ast.Tuple):
        return any(_is_broad(one) for one in node.elts)
    return node is not None and name_of(node) in {"Exception", "BaseException"}


def no_swallowing(_path: str, _source: str, tree: ast.Module) -> Iterator[str]:
    """No bare except; a broad one raises, or hands on the error that it caught."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield f"{node.lineno}: bare except"
            elif _is_broad(node.type):
                inside = [child for statement in node.body for child in ast.walk(statement)]
                uses_error = any(isinstance(child, ast.Name) and child.id == node.name for child in inside)
                if not uses_error and not any(isinstance(child, ast.Raise) for child in inside):
                    yield f"{node.lineno}: except {ast.unparse(node.type)} swallows whatever happens"
        elif isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] == "suppress" and any(map(_is_broad, node.args)):
            yield f"{node.lineno}: suppress({ast.unparse(node.args[0])}) swallows whatever happens"


def bounded_queues(_path: str, _source: str, tree: ast.Module) -> Iterator[str]:
    """Every queue and deque has a limit."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Subscript):  # asyncio.Queue[int]()
            last = name_of(node.func.value).rpartition(".")[2]
        else:
            last = name_of(node.func).rpartition(".")[2]
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if last == "SimpleQueue":
            yield f"{node.lineno}: SimpleQueue has no limit"
        elif last in QUEUES:
            size = given.get("maxsize", node.args[0] if node.args else None)
            if size is None or (isinstance(size, ast.Constant) and not size.value):
                yield f"{node.lineno}: {last} without maxsize"
        elif last == "deque" and "maxlen" not in given and len(node.args) < 2:
            yield f"{node.lineno}: deque without maxlen"


def constant_sql(_path: str, _source: str, tree: ast.Module) -> Iterator[str]:
    """SQL is constant text; values go in as parameters. A pragma takes no parameters and may be put together."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and name_of(node.func).rpartition(".")[2] in EXECUTES and node.args):
            continue
        sql = node.args[0]
        first = sql.values[0] if isinstance(sql, ast.JoinedStr) and sql.values else None
        pragma = isinstance(first, ast.Constant) and str(first.value).lstrip().upper().startswith("PRAGMA ")
        made = isinstance(sql, ast.JoinedStr) and any(isinstance(value, ast.FormattedValue) for value in sql.values) and not pragma
        joined = isinstance(sql, ast.BinOp) and any(not isinstance(side, ast.Constant | ast.BinOp) for side in (sql.left, sql.right))
        formatted = isinstance(sql, ast.Call) and name_of(sql.func).rpartition(".")[2] == "format"
        if made or joined or formatted:
            yield f"{node.lineno}: SQL is put together from pieces; use parameters"


def no_leftovers(_path: str, source: str, _tree: ast.Module) -> Iterator[str]:
    """No notes to self in committed code."""
    for number, line in enumerate(source.splitlines(), start=1):
        if LEFTOVER.search(line):
            yield f"{number}: a note to self; do it, or raise a clear error"


EVERYWHERE = (*PACKAGES, "tests")
RULES: dict[str, tuple[Rule, tuple[str, ...]]] = {
    "short functions": (short_functions, EVERYWHERE),
    "short files": (short_files, EVERYWHERE),
    "one clock": (one_clock, PACKAGES),
    "no swallowing": (no_swallowing, EVERYWHERE),
    "bounded queues": (bounded_queues, PACKAGES),
    "constant SQL": (constant_sql, PACKAGES),
    "no leftovers": (no_leftovers, EVERYWHERE),
}


@cache
def parsed(folder: str) -> tuple[tuple[str, str, ast.Module], ...]:
    """Path from the root, source and syntax tree of every Python file of a folder."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "node_modules" not in path.parts:
            source = path.read_text(encoding="utf-8")
            found.append((path.relative_to(ROOT).as_posix(), source, ast.parse(source)))
    return tuple(found)


def python_files(folders: tuple[str, ...]) -> Iterator[tuple[str, str, ast.Module]]:
    """Files of several folders."""
    for folder in folders:
        yield from parsed(folder)


@pytest.mark.timeout(30)  # the first one reads every file
@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    rule, folders = RULES[name]
    found = [f"{path}:{where}" for path, source, tree in python_files(folders) for where in rule(path, source, tree)]
    if found:
        pytest.fail("\n".join([f"{name}: {(rule.__doc__ or '').strip()}", *found]), pytrace=False)


LONG_BODY = "\n".join(["    x = 1"] * 60)
LONG_DOC = '    """Says\n' + "\n" * 50 + '    much."""\n'


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("short functions", f"def f():\n{LONG_BODY}\n"),
        ("short functions", f"class A:\n  async def f(self):\n    '''Doc.'''\n{LONG_BODY}\n"),
        ("short files", "x = 1\n" * 401),
        ("one clock", "import time"),
        ("one clock", "def f():\n    from time import monotonic"),
        ("one clock", "t = datetime.now(UTC)"),
        ("one clock", "t = dt.datetime.utcnow()"),
        ("one clock", "t = date.today()"),
        ("one clock", "async def f():\n    await asyncio.sleep(1)"),
        ("one clock", "loop.call_later(3, f)"),
        ("one clock", "t = loop.time()"),
        ("one clock", "t = asyncio.get_running_loop().time()"),
        ("one clock", "t = np.datetime64('now')"),
        ("no swallowing", "try:\n    f()\nexcept:\n    raise"),
        ("no swallowing", "try:\n    f()\nexcept Exception:\n    pass"),
        ("no swallowing", "try:\n    f()\nexcept (ValueError, BaseException) as error:\n    log.warning('down')"),
        ("no swallowing", "with contextlib.suppress(Exception):\n    f()"),
        ("bounded queues", "q = asyncio.Queue()"),
        ("bounded queues", "q: Q = asyncio.Queue[int]()"),
        ("bounded queues", "q = queue.Queue(maxsize=0)"),
        ("bounded queues", "q = PriorityQueue(0)"),
        ("bounded queues", "q = queue.SimpleQueue()"),
        ("bounded queues", "d = deque([1, 2])"),
        ("constant SQL", "c.execute(f'SELECT * FROM t WHERE id={x}')"),
        ("constant SQL", "self.db.execute('DELETE FROM ' + table)"),
        ("constant SQL", "c.executemany('SELECT %s' % x, rows)"),
        ("constant SQL", "c.execute('SELECT {}'.format(x))"),
        ("no leftovers", "x = 1  # TO" + "DO: later"),
    ],
)
def test_a_planted_violation_is_caught(name: str, source: str) -> None:
    assert len(list(RULES[name][0]("gateway/bad.py", source, ast.parse(source)))) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("short functions", f"def f():\n{LONG_DOC}{LONG_BODY.removeprefix('    x = 1' + chr(10))}\n"),
        ("one clock", "from datetime import datetime, time\nt = datetime.fromtimestamp(x, UTC)"),
        ("one clock", "async def f():\n    await asyncio.sleep(0)\n    await clock.sleep(3)\n    clock.now_ns()"),
        ("no swallowing", "try:\n    f()\nexcept Exception as error:\n    future.set_exception(error)"),
        ("no swallowing", "try:\n    f()\nexcept BaseException:\n    undo()\n    raise"),
        ("no swallowing", "try:\n    f()\nexcept KeyError:\n    pass"),
        ("bounded queues", "q = asyncio.Queue(maxsize=LIMIT)\nd = deque(maxlen=5)\ne = deque([], 5)\nr = asyncio.Queue[int](9)"),
        ("constant SQL", "c.execute('SELECT 1 WHERE x=?', (x,))\nc.execute('a' 'b')\nc.execute(SQL)"),
        ("constant SQL", "c.execute(f'PRAGMA user_version={n}')"),
    ],
)
def test_what_is_right_passes(name: str, source: str) -> None:
    assert list(RULES[name][0]("gateway/good.py", source, ast.parse(source))) == []


def test_long_files_exist() -> None:
    assert [path for path in LONG_FILES if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_the_ones_of_this_repository(package: str) -> None:
    """Generic names (`analytics`, `devices`) could be somebody else's packages."""
    file = importlib.import_module(package).__file__
    assert file is not None, f"{package} has no __init__.py, or another folder of that name shadows it"
    assert Path(file).resolve().is_relative_to(ROOT)


def test_every_package_says_what_it_is() -> None:
    folders = {(ROOT / path).parent for path, _, _ in python_files(EVERYWHERE)}
    silent = [
        folder.relative_to(ROOT).as_posix()
        for folder in folders
        if not (folder / "__init__.py").is_file() or not ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    ]
    assert silent == []
