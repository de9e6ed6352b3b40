"""Manual pages from the help texts, and completion: every command has a page, and shells complete what is configured."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from understudy.cli import main as cli

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = "[nodes.ha01]\n[nodes.ha02]\n[witness.arbiter]\n[groups.web]\n[groups.wiki]\n[groups.mail]\n"
WITH_FILES = {"run", "init", "status", "why", "move", "standby", "online", "fence", "confirm-off", "history", "dump"}


@pytest.fixture(scope="module")
def manuals() -> ModuleType:
    specification = importlib.util.spec_from_file_location("manuals", ROOT / "tools" / "manuals.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["manuals"] = module  # dataclasses look their own module up
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(manuals: ModuleType) -> dict[str, str]:
    found: dict[str, str] = manuals.pages()
    return found


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^\.SH (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_there_is_a_page_for_each_command_and_one_for_all(pages: dict[str, str]) -> None:
    assert set(pages) == {"understudy.8"} | {f"understudy-{name}.8" for name in cli.COMMANDS}


@pytest.mark.parametrize("name", ["understudy", *(f"understudy-{name}" for name in cli.COMMANDS)])
def test_a_page_has_what_people_look_for(pages: dict[str, str], name: str) -> None:
    found = sections(pages[f"{name}.8"])
    assert list(found)[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    for heading in ("OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"):
        assert found[heading].strip(), heading
    command = name.partition("-")[2]
    assert ("FILES" in found) or command not in WITH_FILES
    assert len(found["DESCRIPTION"]) > 120, "a description that says nothing"
    codes = re.findall(r"^\.TP\n\.B (\d+)\n(.+)$", found["EXIT STATUS"], re.MULTILINE)
    assert [int(code) for code, _ in codes] == sorted({int(code) for code, _ in codes})
    assert codes[0][0] == "0"
    assert not any(re.search(r", \d+ [a-z]", text) for _, text in codes), "two codes in one line"


def test_every_option_and_its_help_is_on_the_page(pages: dict[str, str]) -> None:
    context = cli.commands.make_context("understudy", ["status"], resilient_parsing=True)
    for name in cli.COMMANDS:
        command = cli.commands.get_command(context, name)
        assert command is not None
        page = pages[f"understudy-{name}.8"].replace("\\-", "-")
        assert "\\-\\-" in pages[f"understudy-{name}.8"], "a minus sign that man turns into a hyphen cannot be copied"
        for option in (word for item in command.params for word in item.opts if word.startswith("--")):
            assert option in page, f"{name} {option}"


def test_every_option_says_what_it_is_for() -> None:
    context = cli.commands.make_context("understudy", ["status"], resilient_parsing=True)
    for name in cli.COMMANDS:
        command = cli.commands.get_command(context, name)
        assert command is not None
        mute = [item.name for item in command.params if isinstance(item, click.Option) and not item.help]
        assert mute == [], name


def test_exit_codes_are_read_in_both_spellings(manuals: ModuleType) -> None:
    lines = ["  0  all is good,", "     really", "  1  not, 2 things", "  75 busy"]
    assert manuals.exit_codes(lines) == [("0", "all is good, really"), ("1", "not, 2 things"), ("75", "busy")]
    sentence = ["0 moved (with --no-wait: accepted), 2 unknown group or node,", "4 refused."]
    assert manuals.exit_codes(sentence) == [
        ("0", "moved (with --no-wait: accepted)"),
        ("2", "unknown group or node"),
        ("4", "refused"),
    ]


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_complain_about(pages: dict[str, str], tmp_path: Path) -> None:
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    command = ["groff", "-man", "-Tutf8", "-ww", "-z", *sorted(pages)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_what_is_shown_is_what_help_says(pages: dict[str, str]) -> None:
    """No character of the text is taken for a request: dots, quotation marks, backslashes and minus signs arrive."""
    done = subprocess.run(
        ["groff", "-man", "-Tascii", "-P-cbou"],
        input=pages["understudy-status.8"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert """understudy status --json | jq -r '.groups[] | "\\(.name) \\(.holder)"'""" in done.stdout


# -- completion ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    """A machine without a daemon but with a configuration, and the command on its path."""
    program = tmp_path / "bin" / "understudy"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m understudy.cli.main "$@"\n')
    program.chmod(0o755)
    (tmp_path / "cluster.toml").write_text(CONFIG)
    return {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "UNDERSTUDY_CONFIG": str(tmp_path / "cluster.toml"),
        "UNDERSTUDY_RUNTIME_DIR": str(tmp_path),
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }


CASES = [
    (["stat"], ["status"]),
    (["move", "w"], ["web", "wiki"]),
    (["move", "web", ""], ["ha01", "ha02"]),
    (["standby", "ha"], ["ha01", "ha02"]),
    (["run", "--node", "a"], ["arbiter"]),
    (["history", "--js"], ["--json"]),
]


@pytest.mark.parametrize(("words", "expected"), CASES)
def test_bash_completes(manuals: ModuleType, world: dict[str, str], words: list[str], expected: list[str]) -> None:
    line = ["understudy", *words]
    array = " ".join(f"'{word}'" for word in line)
    script = f"{manuals.completions()['bash']}\nCOMP_WORDS=({array}); COMP_CWORD={len(line) - 1}\n"
    script += 'COMPREPLY=(); _understudy_completion understudy; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-c", script], env=world, capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (expected, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(("words", "expected"), CASES[:4])
def test_fish_completes(manuals: ModuleType, world: dict[str, str], words: list[str], expected: list[str]) -> None:
    script = f"{manuals.completions()['fish']}\ncomplete -C 'understudy {' '.join(words)}'"
    done = subprocess.run(["fish", "--no-config", "-c", script], env=world, capture_output=True, text=True, timeout=60)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == expected, done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_knows_the_function(manuals: ModuleType, world: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "_understudy").write_text(manuals.completions()["zsh"])
    script = f"fpath=({tmp_path}/functions $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[understudy]"
    done = subprocess.run(["zsh", "-f", "-c", script], env=world, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("_understudy\n", "")
    answer = subprocess.run(
        ["understudy"],
        env={**world, "_UNDERSTUDY_COMPLETE": "zsh_complete", "COMP_WORDS": "understudy move w", "COMP_CWORD": "2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.stdout.split() == ["plain", "web", "_", "plain", "wiki", "_"]


def test_a_configuration_that_cannot_be_read_completes_nothing(world: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text("groups = 1\nnodes =\n")
    environment = {
        **world,
        "_UNDERSTUDY_COMPLETE": "bash_complete",
        "COMP_WORDS": "understudy move ",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(["understudy"], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_completing_a_command_imports_none() -> None:
    """Completion happens between two strokes of a key."""
    code = (
        "import sys; from understudy.cli.main import commands; import click\n"
        "print([i.value for i in commands.shell_complete(click.Context(commands), 'st')])\n"
        "print([n for n in sys.modules if n.startswith('understudy.cli.') and n != 'understudy.cli.main'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "['status', 'stop', 'start', 'standby']\n[]\n"
