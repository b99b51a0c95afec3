"""The rules of the house as functions: a file's text in, what is wrong with it out, each with what to do instead."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

import yaml

FILE_LINES, FUNCTION_LINES, LINE_LENGTH = 400, 70, 120

PACKAGES = ("contracts", "eventstore", "servicekit", "services", "witness", "portal", "cli")
ROOMS = ("commands", "decider", "read_models", "api", "reactions", "app", "__main__")
SUFFIXES = {
    ".typ",
    ".py", ".sql", ".toml", ".lock", ".md", ".yaml", ".yml", ".json", ".txt", ".typed", ".conf", ".html", ".css", ".js",
    ".svg", ".png", ".csv", ".po", ".jsonl", ".go", ".mod", ".mjs", ".sh",
}  # fmt: skip
NAMES = {
    "Makefile", "Dockerfile", "Caddyfile", "LICENSE", ".gitignore", ".dockerignore", ".env.example", "run", "py.typed",
}  # fmt: skip
GENERATED = (
    "contracts/schemas/",
    "contracts/examples/",
    "contracts/asyncapi.yaml",
    "contracts/CATALOGUE.md",
    "tests/contracts/golden/",
    "services/ledger/pages/vendor/",
)

# Written in halves: this file is searched, too.
WORK_LEFT = re.compile(r"\b(" + "|".join(("FIX" + "ME", "TO" + "DO", "XX" + "X", "HA" + "CK")) + r")\b")
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("files", "pythonhosted", "org"), ("registry", "npmjs", "org"), ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"), ("security", "debian", "org"), ("proxy", "golang", "org"), ("index", "crates", "io"),
    )
)  # fmt: skip
MACHINE_PATHS = re.compile(
    r"(?<![\w.:/~-])/(" + "|".join(("root", "home", "Users", "work", "opt/py" + "pi")) + r")/[\w.-]"
)

_UNLOGGED = re.compile(r"\bunlogged\b", re.IGNORECASE)
_HAN = re.compile(r"[\u3400-\u9fff]")
_LETTER = re.compile(r"[A-Za-z]{2,}")
_HALF_WIDTH = re.compile(r"[\u3400-\u9fff”》}][,;:!?()]|[,;:!?()][\u3400-\u9fff]|[\u3400-\u9fff]\.(?!\w)")


@dataclass(frozen=True)
class Problem:
    """What is wrong where."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


Rule = Callable[[str, str], Iterator[Problem]]


@dataclass(frozen=True)
class Banned:
    """A name not to be used in some places, and what to use there instead."""

    names: tuple[str, ...]
    where: re.Pattern[str]
    instead: str


PURE = re.compile(r"^services/[^/]+/(decider|commands)(/|\.py)")
PRODUCT = re.compile(r"^(contracts|eventstore|servicekit|services|witness|portal|cli)/")
RECORDING = re.compile(r"^(contracts|eventstore|services)/")
SERVING = re.compile(r"^(servicekit|services|witness|portal)/")
QUIET = re.compile(r"^(eventstore|servicekit|services|witness|portal|contracts)/(?!generat)")
LEDGER = re.compile(r"^(services/ledger/|contracts/ledger)")
TESTS = re.compile(r"^tests/(?!support/)")
BUT_TABLES = re.compile(r"^(?!cli/bundle/tables\.py$)(contracts|eventstore|servicekit|services|witness|portal|cli)/")
NOW = (
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.monotonic",
)
BANNED = (
    Banned(NOW, PURE, "`at`: time arrives in the command"),
    Banned(("uuid.uuid1", "uuid.uuid4", "contracts.ids.uuid7", "secrets", "os.urandom"), PURE, "an id of the command"),
    Banned(("random",), PURE, "a value of the command: whoever builds it decides by chance"),
    Banned(("os", "open"), PURE, "a value of the command: rules read nothing"),
    Banned(("datetime.datetime.utcnow",), PRODUCT, "datetime.now(UTC), or the clock given"),
    Banned(("uuid.uuid1", "uuid.uuid4"), RECORDING, "contracts.ids.uuid7(), or derived_id in a reaction"),
    Banned(("print",), QUIET, "structlog; only cli, examples and benchmarks talk to a terminal"),
    Banned(("time.sleep",), SERVING, "await asyncio.sleep(): a blocked loop answers nobody"),
    Banned(("asyncio.get_event_loop",), PRODUCT, "asyncio.get_running_loop()"),
    Banned(("float",), LEDGER, "int: minutes and 分 have no halves"),
    Banned(("pyarrow",), BUT_TABLES, "cli.bundle.tables, imported where it is used: services must not load pyarrow"),
    Banned(("time.sleep",), TESTS, "tests.support.waiting.eventually_blocking"),
)


def is_generated(path: str) -> bool:
    """Whether a program writes this file, so that no rule for people binds it."""
    return path.startswith(GENERATED) or path.endswith(".lock")


def known_kind(path: str, _text: str) -> Iterator[Problem]:
    """Only files of listed kinds: another one is a decision to be taken by adding it here."""
    name = PurePosixPath(path)
    if name.suffix not in SUFFIXES and name.name not in NAMES:
        yield Problem(path, 1, f"a file of the kind {name.suffix or name.name!r} is not listed in tests/tidy/rules.py")


def not_too_long(path: str, text: str) -> Iterator[Problem]:
    """At most 400 lines a file and 120 characters a line: what a person reads at a sitting."""
    if PurePosixPath(path).suffix not in {".py", ".sql", ".toml", ".yml"} and PurePosixPath(path).name not in NAMES - {
        "LICENSE"
    }:
        return
    lines = text.splitlines()
    if len(lines) > FILE_LINES:
        yield Problem(path, FILE_LINES, f"{len(lines)} lines, at most {FILE_LINES}: make a package of the same name")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_LENGTH:
            yield Problem(path, number, f"{len(line)} characters, at most {LINE_LENGTH}")


def no_work_left(path: str, text: str) -> Iterator[Problem]:
    """What is to be done stands in an issue, not in the code."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := WORK_LEFT.search(line):
            yield Problem(path, number, f"{found[0]}: do it, or open an issue")


def no_address_of_a_machine(path: str, text: str) -> Iterator[Problem]:
    """Nothing ties the project to one machine or one package registry."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := next((host for host in REGISTRIES if host in line), None):
            yield Problem(path, number, f"{found}: which registry is used is the installing person's choice")
        if path.endswith(".lock") and "://" in line:
            yield Problem(path, number, "an address in a lock file")
        if match := MACHINE_PATHS.search(line):
            yield Problem(path, number, f"{match[0]}…: a path of one machine")


def no_long_function(path: str, text: str) -> Iterator[Problem]:
    """At most 70 lines a function."""
    for node in _walk(path, text):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield Problem(
                    path, node.lineno, f"{node.name} has {lines} lines, at most {FUNCTION_LINES}: give its parts names"
                )


def no_banned_name(path: str, text: str) -> Iterator[Problem]:
    """Calls that have no place in some rooms, each with its replacement."""
    banned = [rule for rule in BANNED if rule.where.search(path)]
    if not banned:
        return
    nodes = list(_walk(path, text))
    origins = _origins(nodes)
    for node in nodes:
        if not isinstance(node, ast.Name | ast.Attribute) or (dotted := _dotted(node)) is None:
            continue
        first, dot, rest = dotted.partition(".")
        used = origins.get(first, first) + dot + rest
        for rule in banned:
            if used.startswith(tuple(f"{name}." for name in rule.names)) or used in rule.names:
                yield Problem(path, node.lineno, f"{used}: use {rule.instead}")


def no_swallowed_error(path: str, text: str) -> Iterator[Problem]:
    """An error is handled, told or raised; it is not made to vanish."""
    for node in _walk(path, text):
        if isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield Problem(path, node.lineno, "a bare except catches even Ctrl-C: name the errors expected here")
            elif _dotted(node.type) in {"Exception", "BaseException"} and all(_is_nothing(part) for part in node.body):
                yield Problem(path, node.lineno, "an error is swallowed: name the one expected, or log it")
        if isinstance(node, ast.Call) and (_dotted(node.func) or "").endswith("suppress"):
            for argument in node.args:
                if _dotted(argument) in {"Exception", "BaseException"}:
                    yield Problem(path, node.lineno, "suppress of everything: name the error expected")


def no_fixed_sleep_in_a_test(path: str, text: str) -> Iterator[Problem]:
    """A test waits for what must come, and never a fixed time (asyncio.sleep(0) only yields)."""
    if not path.startswith("tests/") or path.startswith("tests/support/"):
        return
    for node in _walk(path, text):
        if isinstance(node, ast.Call) and _dotted(node.func) == "asyncio.sleep" and node.args:
            seconds = node.args[0]
            if isinstance(seconds, ast.Constant) and seconds.value:
                yield Problem(path, node.lineno, "a fixed sleep: use tests.support.waiting.eventually")


def chinese_has_its_own_punctuation(path: str, text: str) -> Iterator[Problem]:
    """Sentences for people are written as Chinese is printed: ，。：；！？（） and never their ASCII halves."""
    if not _is_product(path):
        return
    if path.endswith(".py"):
        nodes = list(_walk(path, text))
        said_by_code = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        said = [
            (node.lineno, _sentence(node))
            for node in nodes
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in said_by_code | parts
        ]
    elif path.endswith((".yaml", ".yml")):
        said = [(node.start_mark.line + 1, node.value) for node in _yaml_texts(text)]
    else:
        return
    for line, sentence in said:
        if len(_HAN.findall(sentence)) > len(_LETTER.findall(sentence)) and (found := _HALF_WIDTH.search(sentence)):
            yield Problem(path, line, f"{found[0]!r} in a Chinese sentence: ，。：；！？（） are full-width")


def no_unlogged_table(path: str, text: str) -> Iterator[Problem]:
    """No table that PostgreSQL does not log: killed right after the rollback of one, it does not start again."""
    if not _is_product(path):
        return
    if path.endswith(".sql"):
        said = [(number, line.partition("--")[0]) for number, line in enumerate(text.splitlines(), 1)]
    else:
        nodes = list(_walk(path, text))
        explained = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        said = [
            (node.lineno, node.value)
            for node in nodes
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explained
        ]
    for line, sql in said:
        if _UNLOGGED.search(sql):
            yield Problem(path, line, "UNLOGGED: a plain table costs a replay 1 to 2 % (eventstore/replay/shadow.py)")


def says_what_it_is(path: str, text: str) -> Iterator[Problem]:
    """Each package opens with a sentence about itself."""
    if _is_product(path) and PurePosixPath(path).name == "__init__.py" and not ast.get_docstring(ast.parse(text)):
        yield Problem(path, 1, "a package says in its docstring what it holds or promises")


FILE_RULES: tuple[Rule, ...] = (
    known_kind,
    not_too_long,
    no_work_left,
    no_address_of_a_machine,
    no_long_function,
    no_banned_name,
    no_swallowed_error,
    no_fixed_sleep_in_a_test,
    chinese_has_its_own_punctuation,
    no_unlogged_table,
    says_what_it_is,
)


def packages_have_an_init(paths: set[str]) -> Iterator[Problem]:
    """Each folder of Python files in the product is a package with an `__init__.py`."""
    for path in sorted(paths):
        folder = PurePosixPath(path).parent
        if _is_product(path) and path.endswith(".py") and f"{folder}/__init__.py" not in paths:
            yield Problem(path, 1, f"{folder} has no __init__.py")


def services_have_their_rooms(paths: set[str]) -> Iterator[Problem]:
    """Who knows one service knows all: the same rooms in each, and a README."""
    services = sorted({path.split("/")[1] for path in paths if path.startswith("services/") and path.count("/") > 1})
    for service in services:
        base = f"services/{service}"
        for room in ROOMS:
            if f"{base}/{room}.py" not in paths and f"{base}/{room}/__init__.py" not in paths:
                yield Problem(base, 1, f"the room {room} is missing")
        if f"{base}/README.md" not in paths:
            yield Problem(
                base, 1, "README.md is missing: streams, commands in, events out, events heard, the lifecycle"
            )


def _is_product(path: str) -> bool:
    return path.split("/", maxsplit=1)[0] in PACKAGES and "/" in path


def _walk(path: str, text: str) -> Iterator[ast.AST]:
    if path.endswith(".py"):
        yield from _nodes(text)


@cache
def _nodes(text: str) -> list[ast.AST]:
    """A file's tree from the module on, walked once for all rules; none changes it."""
    return list(ast.walk(ast.parse(text)))


def _sentence(node: ast.Constant | ast.JoinedStr) -> str:
    """A string as people read it, `{}` for what is filled in later."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


def _yaml_texts(text: str) -> Iterator[yaml.ScalarNode]:
    waiting = [yaml.compose(text, yaml.SafeLoader)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.ScalarNode):
            yield node


def _origins(nodes: list[ast.AST]) -> dict[str, str]:
    """What each imported name really is: `from uuid import uuid4 as new` makes `new` uuid.uuid4."""
    origins: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            origins.update({name.asname: name.name for name in node.names if name.asname})
        elif isinstance(node, ast.ImportFrom):
            origins.update({name.asname or name.name: f"{node.module}.{name.name}" for name in node.names})
    return origins


def _is_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _dotted(node: ast.AST | None) -> str | None:
    """`a.b.c` of a name or attribute."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value)):
        return f"{base}.{node.attr}"
    return None
