#!/usr/bin/env python3
"""Manual pages and completion scripts, made from what ``--help`` says; run when the package is built.

    python tools/manuals.py DIRECTORY      writes DIRECTORY/man8/*.8 and DIRECTORY/completion/understudy.{bash,zsh,fish}

A command's help text is its manual: paragraphs, and blocks that begin with "Exit codes:", "Files:" or "Examples:". What is
the same for every command of a kind (the control socket, the codes of all commands) is added here, once.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import click
from click.shell_completion import get_completion_class

from understudy import __version__
from understudy.cli import main as cli

SECTION = 8
"""System administration commands (man-pages(7))."""

SHELLS = ("bash", "zsh", "fish")
HEADINGS = {"exit code": "EXIT STATUS", "exit codes": "EXIT STATUS", "file": "FILES", "files": "FILES"}
HEADINGS |= {"example": "EXAMPLES", "examples": "EXAMPLES"}
_HEADING = re.compile(r"(exit codes?|files?|examples?)(?: of all commands)?:\s*", re.IGNORECASE)
_ENTRY = re.compile(r"\s*(\d{1,3})\s+(.*)")
_PATH_OPTIONS = {"runtime_dir": ("/run/understudy/control.sock", "the socket at which this machine's daemon answers")}
_RUN_FILES = (
    (
        "/run/understudy/",
        "the runtime directory: control.sock, running.toml and running.key (what counts until a full stop), log/",
    ),
    ("/var/lib/understudy/", "the state directory: history.jsonl, and whether this node is in standby"),
)


@dataclass(slots=True)
class Help:
    """A help text taken apart. ``description`` is paragraphs, verbatim ones as lists of lines."""

    description: list[str | list[str]] = field(default_factory=list)
    blocks: dict[str, list[str]] = field(default_factory=dict)
    """Heading of the manual to the lines below it."""


def take_apart(text: str) -> Help:
    """Paragraphs are separated by empty lines; one that begins with a line of \\b keeps its lines (click's own rule)."""
    found = Help()
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.strip("\n").split("\n")
        verbatim = lines[0].strip() == "\b"
        if verbatim:
            lines = lines[1:]
        heading = _HEADING.match(lines[0].strip()) if lines else None
        if heading is not None:
            rest = lines[0].strip()[heading.end() :]
            block = found.blocks.setdefault(HEADINGS[heading[1].lower()], [])
            block += ([rest] if rest else []) + lines[1:]
        elif verbatim:
            found.description.append(lines)
        elif lines != [""]:
            found.description.append(" ".join(line.strip() for line in lines))
    return found


def exit_codes(lines: list[str]) -> list[tuple[str, str]]:
    """(code, meaning) from one code a line with continuations, or from one sentence with commas between them."""
    if lines and not re.search(r",\s+\d{1,3} [a-zA-Z-]", lines[0]):
        lines = list(_joined(lines))
    else:
        lines = re.split(r",\s+(?=\d{1,3} )", " ".join(line.strip() for line in lines).rstrip("."))
    found = [match for line in lines if (match := _ENTRY.match(line))]
    return [(match[1], match[2].strip()) for match in found]


def _joined(lines: list[str]) -> Iterator[str]:
    """Continuation lines with the line that they continue."""
    whole = ""
    for line in lines:
        if _ENTRY.match(line):
            if whole:
                yield whole
            whole = line.strip()
        else:
            whole += " " + line.strip()
    yield whole


# -- the language of man(7) ---------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text in which nothing is a request or an escape, and what is between backticks is bold."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("^", "\\(ha").replace("~", "\\(ti")
    )
    text = re.sub(r"`([^`]+)`", r"\\fB\1\\fR", text).replace("`", "\\(ga")
    return f"\\&{text}" if text.startswith(".") else text


def verbatim(lines: list[str]) -> list[str]:
    width = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [".PP", ".nf", ".RS 4", *(plain(line[width:]) for line in lines), ".RE", ".fi"]


def tagged(items: list[tuple[str, str]]) -> list[str]:
    return [line for tag, text in items for line in (".TP", f".B {plain(tag)}", plain(text))]


def head(name: str, line: str) -> list[str]:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    day = (datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)).date().isoformat()
    title = f'.TH "{name.upper()}" "{SECTION}" "{day}" "understudy {__version__}" "Understudy"'
    line = line.rstrip(".")
    return [title, ".nh", ".ad l", ".SH NAME", f"{plain(name)} \\- {plain(line[:1].lower() + line[1:])}"]


def program() -> click.Context:
    """The context of the command line itself, from which its commands inherit ``-h``."""
    return click.Context(cli.commands, info_name="understudy", **cli.commands.context_settings)


def command_page(name: str, command: click.Command, line: str) -> str:
    """The page understudy-NAME(8)."""
    full = f"understudy-{name}"
    context = click.Context(command, info_name=name, parent=program())
    parts = take_apart(command.help or "")
    lines = [
        *head(full, line),
        ".SH SYNOPSIS",
        f".B understudy {plain(name)}",
        *_usage(command, context),
        ".SH DESCRIPTION",
    ]
    for paragraph in parts.description:
        lines += verbatim(paragraph) if isinstance(paragraph, list) else [".PP", plain(paragraph)]
    lines += [".SH OPTIONS", *tagged(_options(command, context))]
    lines += [".SH EXIT STATUS", *tagged(_codes(parts))]
    files = _files(command, parts)
    if files:
        lines += [".SH FILES", *tagged(files)]
    if "EXAMPLES" in parts.blocks:
        lines += [".SH EXAMPLES", *verbatim(parts.blocks["EXAMPLES"])]
    lines += [".SH SEE ALSO", f".BR understudy ({SECTION})"]
    return "\n".join(lines) + "\n"


def _usage(command: click.Command, context: click.Context) -> list[str]:
    words = command.collect_usage_pieces(context)
    return [f".RI {plain(word)}" for word in words if word]


def _options(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    options = [item for item in command.get_params(context) if isinstance(item, click.Option)]
    records = [record for item in options if (record := item.get_help_record(context))]
    return [(left, " ".join(right.split())) for left, right in records]


def _codes(parts: Help) -> list[tuple[str, str]]:
    found = exit_codes(parts.blocks.get("EXIT STATUS", []))
    common = exit_codes(take_apart(cli.EPILOG).blocks["EXIT STATUS"])
    if not found:
        return common
    always = [(code, text) for code, text in common if code in ("2", "70")]
    found += [item for item in always if item[0] not in {code for code, _ in found}]
    return sorted(found, key=lambda item: int(item[0]))


def _files(command: click.Command, parts: Help) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for line in parts.blocks.get("FILES", []):
        path, _, text = line.strip().partition("  ")
        found.append((path, text.strip()))
    names = {item.name for item in command.params}
    if "state_dir" in names:
        return [*found, *_RUN_FILES]
    return found + [entry for name, entry in _PATH_OPTIONS.items() if name in names]


def main_page() -> str:
    """The page understudy(8): what there is."""
    parts, about = take_apart(cli.EPILOG), take_apart(cli.commands.help or "")
    summary, *rest = about.description
    lines = [*head("understudy", str(summary)), ".SH SYNOPSIS", ".B understudy", ".RI COMMAND", ".RI [OPTIONS]"]
    lines.append(".SH DESCRIPTION")
    for paragraph in rest:
        lines += verbatim(paragraph) if isinstance(paragraph, list) else [".PP", plain(paragraph)]
    lines += [
        ".SH COMMANDS",
        *tagged([(f"understudy-{name}({SECTION})", line) for name, (_, line) in cli.COMMANDS.items()]),
    ]
    context = program()
    lines += [".SH OPTIONS", *tagged(_options(cli.commands, context))]
    lines += [".SH EXIT STATUS", *tagged(exit_codes(parts.blocks["EXIT STATUS"]))]
    own = [("/etc/understudy/cluster.toml", "the configuration, the same on every machine of the cluster")]
    own.append(("/etc/understudy/cluster.key", "the key, mode 0600, the same on every machine"))
    lines += [".SH FILES", *tagged([*own, *_RUN_FILES])]
    lines += [
        ".SH EXAMPLES",
        *verbatim(["understudy init", "understudy status", "understudy why", "understudy move web ha02"]),
    ]
    pages = [f".BR understudy\\-{plain(name)} ({SECTION})" for name in cli.COMMANDS]
    lines += [".SH SEE ALSO", *[f"{page}," for page in pages[:-1]], pages[-1]]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """File name to content of every page."""
    context = program()
    found = {f"understudy.{SECTION}": main_page()}
    for name, (_, line) in cli.COMMANDS.items():
        command = cli.commands.get_command(context, name)
        if command is not None:
            found[f"understudy-{name}.{SECTION}"] = command_page(name, command, line)
    return found


def completions() -> dict[str, str]:
    """Shell to the script that makes it ask understudy for completions."""
    found = {}
    for shell in SHELLS:
        kind = get_completion_class(shell)
        if kind is None:
            raise SystemExit(f"this version of click knows no completion for {shell}")
        found[shell] = kind(cli.commands, {}, "understudy", "_UNDERSTUDY_COMPLETE").source().strip("\n") + "\n"
    return found


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    for folder, files in (
        (f"man{SECTION}", pages()),
        ("completion", {f"understudy.{shell}": text for shell, text in completions().items()}),
    ):
        directory = os.path.join(sys.argv[1], folder)
        os.makedirs(directory, exist_ok=True)
        for name, text in files.items():
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)


if __name__ == "__main__":
    main()
