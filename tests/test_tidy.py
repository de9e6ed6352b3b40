"""The rules of the house, checked: who may import whom, what pure code may not touch, how big things may get.

Each rule is a function from a parsed file to the places that break it. The tests at the end feed each rule small bad samples,
so that a rule which no longer sees anything is itself a failure. docs/ARCHITECTURE.md draws the arrows.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "understudy"

WORDS = frozenset(
    {
        "units",
        "errors",
        "model",
        "messages",
        "events",
        "effects",
        "snapshot",
        "plain",
        "logline",
        "probes",
        "changes",
        "fence_devices",
        "hours",
        "heartbeat3",
        "heartbeat_files",
        "old_pair",
        "vrrp",
        "vrrp_files",
        "services",
        "service_checks",
        "balance",
    }
)
EVERYTHING = frozenset(
    {"words", "config", "wire", "core", "adapters", "sim", "pulse", "manager", "balancer", "supervisor", "cli", "lab"}
)
MEETING_PLACE = frozenset({"words", "config", "wire", "core", "adapters"})
MAY_IMPORT: dict[str, frozenset[str]] = {
    "words": frozenset(),
    "config": frozenset({"words"}),
    "wire": frozenset({"words"}),
    "core": frozenset({"words"}),
    "adapters": frozenset({"words"}),
    "sim": frozenset({"words", "config", "wire", "core"}),
    "pulse": MEETING_PLACE,
    "manager": MEETING_PLACE,
    "balancer": MEETING_PLACE,
    "supervisor": frozenset({"words"}),
    "cli": EVERYTHING,
    "__main__": frozenset({"cli"}),  # `python -m understudy`
    "lab": EVERYTHING,
}
# Single modules that may be reached past their area, and why.
SINGLE_ARROWS = {
    # The supervisor finds a living pulse by the lock file that the pulse holds; both ends must mean the same lock.
    ("supervisor", "understudy.adapters.lockfile"),
    # What it tells people to type names the unit that it belongs to, as the commands do.
    ("supervisor", "understudy.adapters.own_unit"),
    # Its process has a name for `top` as the others have.
    ("supervisor", "understudy.adapters.title"),
}
# What comes from outside the standard library, by area; lab and cli may use whatever is installed.
OUTSIDERS: dict[str, frozenset[str]] = {
    "words": frozenset(),
    # The digest of the configuration: hashlib would load a second copy of OpenSSL into the pulse's locked memory.
    "config": frozenset({"cryptography"}),
    "wire": frozenset({"cryptography"}),
    "core": frozenset(),
    # Only what the manager uses may import it; HEAVY_FOR_PULSE sees to the other half.
    "adapters": frozenset({"dbus_fast"}),
    "sim": frozenset(),
    "pulse": frozenset(),
    "manager": frozenset({"aiohttp", "prometheus_client", "uvloop"}),
    "balancer": frozenset(),
    "supervisor": frozenset(),
}
PURE = frozenset({"words", "config", "wire", "core", "sim"})
OPENS_FILES = frozenset(f"understudy.config.{name}" for name in ("files", "load", "load_ldirectord"))
IMPURE_MODULES = frozenset(
    {"time", "os", "socket", "select", "selectors", "asyncio", "subprocess", "threading", "secrets", "uuid"}
)
HEAVY_FOR_PULSE = frozenset(
    {
        "asyncio",
        "aiohttp",
        "click",
        "uvloop",
        "pyroute2",
        "dbus_fast",
        "subprocess",
        "logging",
        "ssl",
        "http",
        "email",
        "multiprocessing",
    }
)
LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60

WHY = {
    "arrow": "the siblings stay testable alone, the simulator never reaches the real kernel, the pulse stays small",
    "outsider": "each package costs memory and start-up time, and is one more thing that must be there to take over",
    "pure": "what reads a clock, a file or unseeded randomness cannot be replayed or searched by the simulator",
    "light": "the pulse must start in a few milliseconds, stay small and never fork or wait",
    "syntax": "every file must be readable for the oldest Python that we promise, 3.11",
    "size": "what does not fit on a few screens is read by nobody; which idea inside wants a place of its own?",
    "assert": "python -O removes assert; use errors.check for our own invariants, a value for bad input",
    "place": "the repository must work on every machine; use a setting, a temporary directory or a relative path",
    "docstring": "the first line of a file must say what it is for, so that a newcomer finds the way",
}


@dataclass(frozen=True)
class Module:
    """One Python file: where it is, its dotted name (of a package for ``__init__``), its text and its tree."""

    path: str
    name: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, text: str, name: str = "understudy.core.sample", path: str = "sample.py") -> Module:
        return cls(path, name, text, ast.parse(text, path))

    @property
    def package(self) -> str:
        return self.name if self.path.endswith("__init__.py") else self.name.rpartition(".")[0]


@dataclass(frozen=True)
class Violation:
    rule: str
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: [{self.rule}] {self.text}\n    why: {WHY[self.rule]}"


Rule = Callable[[Module], Iterator[Violation]]


def area(name: str) -> str | None:
    """``understudy.core.node`` -> core; words for the shared vocabulary; None for the top package and foreign modules."""
    parts = name.split(".")
    if parts[0] != "understudy" or len(parts) < 2:
        return None
    return "words" if parts[1] in WORDS else parts[1]


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Every import, also those inside functions and under TYPE_CHECKING, as (line, absolute dotted name)."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def arrows(module: Module) -> Iterator[Violation]:
    here = area(module.name)
    if here is not None and here not in MAY_IMPORT:
        yield Violation(
            "arrow", module.path, 1, f"{here} is not an area of this program; MAY_IMPORT needs a line for it"
        )
        return
    for line, name in imports(module):
        there = area(name)
        if there is None or there in (here, "__version__"):
            continue
        allowed = MAY_IMPORT[here] if here else frozenset()
        if there not in allowed and not any(here == a and f"{name}.".startswith(f"{m}.") for a, m in SINGLE_ARROWS):
            may = ", ".join(sorted(allowed)) or "nothing of ours"
            yield Violation("arrow", module.path, line, f"{here} imports {name}; it may import {may}")


def outsiders(module: Module) -> Iterator[Violation]:
    here = area(module.name) or "words"
    for line, name in imports(module):
        top = name.partition(".")[0]
        if here in OUTSIDERS and top not in sys.stdlib_module_names | {"understudy"} | OUTSIDERS[here]:
            yield Violation(
                "outsider", module.path, line, f"{here} imports {top}, which is not in the standard library"
            )


def pure(module: Module) -> Iterator[Violation]:
    if (area(module.name) or "words") not in PURE or module.name in OPENS_FILES:
        return
    for line, name in imports(module):
        top, _, member = name.partition(".")
        if top in IMPURE_MODULES:
            yield Violation("pure", module.path, line, f"imports {name}")
        if (top == "random" and member not in ("", "Random")) or (top == "pathlib" and member == "Path"):
            yield Violation("pure", module.path, line, f"imports {name}")
    # A parameter may be called ``random`` too; only where the module itself is imported can the name mean it.
    module_random = any(name == "random" for _, name in imports(module))
    for node in ast.walk(module.tree):
        text = impure_call(node) or (module_random and system_random(node))
        if text:
            yield Violation("pure", module.path, getattr(node, "lineno", 1), text)


def impure_call(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    name = ast.unparse(node.func)
    if name in ("open", "input") or name in ("datetime.now", "datetime.datetime.now", "date.today", "datetime.utcnow"):
        return f"calls {name}()"
    if name in ("Random", "random.Random") and not node.args:
        return "makes a random.Random without a seed"
    return ""


def system_random(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "random" and node.attr != "Random":
        return f"uses random.{node.attr}, which the system seeds; draw from the random.Random that is handed in"
    return ""


def light(module: Module) -> Iterator[Violation]:
    if area(module.name) != "pulse":
        return
    for line, name in imports(module):
        if name.partition(".")[0] in HEAVY_FOR_PULSE:
            yield Violation("light", module.path, line, f"the pulse imports {name}")


def sizes(module: Module) -> Iterator[Violation]:
    count = module.text.count("\n")
    if count > LINES_OF_A_FILE:
        yield Violation("size", module.path, LINES_OF_A_FILE, f"{count} lines; at most {LINES_OF_A_FILE}")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LINES_OF_A_FUNCTION:
                text = f"{node.name} has {length} lines; at most {LINES_OF_A_FUNCTION}"
                yield Violation("size", module.path, node.lineno, text)


def asserts(module: Module) -> Iterator[Violation]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assert):
            yield Violation("assert", module.path, node.lineno, f"assert {ast.unparse(node.test)}")


def docstrings(module: Module) -> Iterator[Violation]:
    private = module.name.rpartition(".")[2].startswith("_") and not module.path.endswith("__main__.py")
    if module.tree.body and not private and not ast.get_docstring(module.tree):
        yield Violation("docstring", module.path, 1, f"{module.name} does not say what it is for")


# The samples below must not be found by the rule itself, so the names of the directories are put together here.
_PLACES = "|".join(("ho" + "me", "Us" + "ers", "wo" + "rk", "ro" + "ot"))
DEVELOPERS_PLACE = re.compile(rf"(?<![\w.*}}$-])/(?:{_PLACES})/[\w.-]+")


def places(path: str, text: str) -> Iterator[Violation]:
    for number, line in enumerate(text.splitlines(), start=1):
        found = DEVELOPERS_PLACE.search(line)
        if found:
            yield Violation("place", path, number, f"names {found.group()}, a place on somebody's machine")


# --------------------------------------------------------------------------------------------- the repository under the rules


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parsed(path: Path, name: str) -> Iterator[Module]:
    """One module, or none when it does not parse: that has a test of its own, and the other rules judge the other files."""
    with contextlib.suppress(SyntaxError):
        yield Module.of(path.read_text("utf-8"), name, str(path.relative_to(ROOT)))


def unreadable(path: str, text: str) -> Iterator[Violation]:
    try:
        ast.parse(text, path)
    except SyntaxError as error:
        yield Violation("syntax", path, error.lineno or 1, error.msg)


@functools.cache
def source_modules() -> list[Module]:
    """Read once for all rules."""
    return [module for path in sorted(SOURCE.rglob("*.py")) for module in parsed(path, dotted(path))]


def other_modules() -> list[Module]:
    """The tests, the tools and ./dev, which only the rules about size and places concern."""
    found = [*sorted((ROOT / "tests").rglob("*.py")), *sorted((ROOT / "tools").rglob("*.py")), ROOT / "dev"]
    return [module for path in found for module in parsed(path, path.stem)]


def texts() -> Iterator[tuple[str, str]]:
    """Every text file that belongs to the repository."""
    for top in (".ci", "dev", "docs", "packaging", "src", "tests", "tools", "pyproject.toml"):
        start = ROOT / top
        for path in [start] if start.is_file() else sorted(start.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(ROOT)), path.read_text("utf-8", errors="replace")
    for path in sorted(ROOT.glob("*.md")):
        yield path.name, path.read_text("utf-8")


def complain(found: list[Violation]) -> None:
    if found:
        pytest.fail(f"{len(found)} against the rules of the house\n" + "\n".join(map(str, found)), pytrace=False)


RULES: tuple[Rule, ...] = (arrows, outsiders, pure, light, sizes, asserts, docstrings)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_source_keeps_the_rule(rule: Rule) -> None:
    modules = source_modules()
    assert len(modules) > 10, "the source was not found, so the rule saw nothing"
    complain([violation for module in modules for violation in rule(module)])


def test_tests_and_scripts_stay_small() -> None:
    complain([violation for module in other_modules() for violation in sizes(module)])


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    complain([violation for path, text in texts() for violation in places(path, text)])


def test_every_file_can_be_read_by_this_python() -> None:
    files = [(path, text) for path, text in texts() if path.endswith(".py") or path == "dev"]
    complain([violation for path, text in files for violation in unreadable(path, text)])


def loaded_by(package: str) -> set[str]:
    """Every module in memory after importing all modules of ``package`` in a fresh interpreter.

    Without ``__main__``, which does not only import: it starts the process.
    """
    names = [module.name for module in source_modules() if module.name.startswith(f"understudy.{package}")]
    names = [name for name in names if not name.endswith(".__main__")]
    code = f"import sys\nfor name in {names!r}:\n    __import__(name)\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def loaded_by_nothing() -> set[str]:
    """What the interpreter and the environment's own start-up files bring along."""
    code = "import sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split())


def test_pulse_loads_nothing_heavy_even_through_others() -> None:
    tops = {name.partition(".")[0] for name in loaded_by("pulse") - loaded_by_nothing()}
    heavy = sorted(tops & HEAVY_FOR_PULSE)
    complain([Violation("light", "src/understudy/pulse", 1, f"loads {name}, perhaps through others") for name in heavy])


def test_supervisor_loads_only_the_standard_library_and_the_words() -> None:
    loaded = loaded_by("supervisor") - loaded_by_nothing()
    foreign = sorted(
        name
        for name in loaded - {"understudy.adapters"}
        if (area(name) not in (None, "words", "supervisor") and ("supervisor", name) not in SINGLE_ARROWS)
        or (name.partition(".")[0] not in sys.stdlib_module_names | {"understudy"})
    )
    complain([Violation("light", "src/understudy/supervisor", 1, f"loads {name}") for name in foreign])


# --------------------------------------------------------------------------------------------- the rules see what they should

BAD = [
    (arrows, "understudy.units", "from understudy.model import Role\nfrom understudy.core import node"),
    (arrows, "understudy.core.leases", "from ..wire import native"),
    (arrows, "understudy.core.leases", "from understudy.wire.native import Opener"),
    (arrows, "understudy.config.load", "def f():\n    import understudy.adapters.udp"),
    (arrows, "understudy.sim.host", "from understudy.adapters import netlink"),
    (arrows, "understudy.pulse.loop", "from understudy.manager import history"),
    (arrows, "understudy.manager.service", "import understudy.pulse.loop"),
    (arrows, "understudy.balancer.engine", "from understudy.manager import ping"),
    (arrows, "understudy.pulse.loop", "from understudy.balancer import engine"),
    (arrows, "understudy.supervisor.main", "from understudy.config.load import load"),
    (arrows, "understudy.supervisor.main", "from ..adapters import lockfile, udp"),
    (arrows, "understudy.wire.native", "from understudy import core"),
    (arrows, "understudy.helpers", "x = 1"),
    (outsiders, "understudy.core.node", "import msgpack"),
    (outsiders, "understudy.supervisor.main", "from aiohttp import web"),
    (outsiders, "understudy.balancer.engine", "import aiohttp"),
    (outsiders, "understudy.manager.service", "import requests"),
    (pure, "understudy.core.node", "import time"),
    (pure, "understudy.model", "from os import path"),
    (pure, "understudy.wire.native", "import socket as s"),
    (pure, "understudy.sim.world", "from random import randint"),
    (pure, "understudy.sim.world", "import random\nx = random.random()"),
    (pure, "understudy.sim.world", "import random\nx = random.Random()"),
    (pure, "understudy.config.toml", "x = open('f').read()"),
    (pure, "understudy.config.toml", "from pathlib import Path"),
    (pure, "understudy.config.toml", "from datetime import datetime\nx = datetime.now()"),
    (light, "understudy.pulse.loop", "import asyncio.events"),
    (light, "understudy.pulse.loop", "def f():\n    from subprocess import run"),
    (sizes, "understudy.core.node", "x = 1\n" * 501),
    (sizes, "understudy.core.node", "def f():\n" + "    x = 1\n" * 60),
    (asserts, "understudy.core.node", "def f(x):\n    assert x > 0"),
    (docstrings, "understudy.core.node", "x = 1"),
]
GOOD = [
    (
        arrows,
        "understudy.core.node",
        "from ..messages import Bid\nfrom .leases import Leases\nfrom understudy import units",
    ),
    (arrows, "understudy.sim.world", "from understudy.core.node import Node\nfrom understudy.wire import native"),
    (arrows, "understudy.cli.sim", "from understudy.sim.world import World\nfrom understudy import __version__"),
    (arrows, "understudy.supervisor.child", "from ..adapters import lockfile\nfrom ..adapters.lockfile import take"),
    (outsiders, "understudy.wire.native", "from cryptography.hazmat.primitives.ciphers.aead import AESGCM"),
    (pure, "understudy.config.load", "import os\nx = open('f')"),
    (pure, "understudy.sim.world", "import random\nx = random.Random(7)\ny = x.random()"),
    (pure, "understudy.sim.world", "from random import Random\ndef f(random: Random): return random.random()"),
    (pure, "understudy.adapters.udp", "import socket, time"),
    (light, "understudy.manager.service", "import asyncio"),
    (sizes, "understudy.core.node", "def f():\n" + "    x = 1\n" * 59),
    (docstrings, "understudy.core.node", '"""The switchboard."""\nx = 1'),
    (docstrings, "understudy.core", ""),
]


@pytest.mark.parametrize(("rule", "name", "text"), BAD)
def test_rule_sees_a_bad_sample(rule: Rule, name: str, text: str) -> None:
    found = list(rule(Module.of(text, name)))
    assert found
    assert "why: " in str(found[0])


@pytest.mark.parametrize(("rule", "name", "text"), GOOD)
def test_rule_leaves_a_good_sample_alone(rule: Rule, name: str, text: str) -> None:
    assert list(rule(Module.of(text, name))) == []


def test_unreadable_file_is_seen() -> None:
    assert [hit.line for hit in unreadable("a.py", "x = 1\ny = f'{'\n")] == [2]
    assert list(unreadable("a.py", "x = 1\n")) == []


def test_relative_imports_of_a_package_are_resolved() -> None:
    package = Module.of("from ..wire import native", "understudy.core", "core/__init__.py")
    assert [name for _, name in imports(package)] == ["understudy.wire.native"]


@pytest.mark.parametrize(
    "place", ["ho" + "me/anna/understudy", "ro" + "ot/.cache", "wo" + "rk/main", "Us" + "ers/anna"]
)
def test_places_rule_sees_a_bad_sample(place: str) -> None:
    assert [hit.line for hit in places("a.py", f'x = 1\nstart("/{place}")')] == [2]


@pytest.mark.parametrize("text", ["/var/www/html", "nethome/x", "${DIR}/" + "work/x", "https://example.org/users/a"])
def test_places_rule_leaves_other_paths_alone(text: str) -> None:
    assert list(places("a.py", text)) == []
