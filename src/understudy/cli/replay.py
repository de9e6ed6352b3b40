"""``understudy replay``."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--story", is_flag=True, help="Tell what the node noted, with the seconds since the recording begins.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(file: str, story: bool, as_json: bool) -> None:
    """Ask the core again what it was asked in FILE, and compare its answers.

    FILE is what `understudy dump` wrote, or what a pulse left when it failed (pulse-crash-*.jsonl in the runtime directory).
    It holds a copy of the core and everything that it was told after that, so a decision of some night can be looked at again,
    step by step, on any machine, with the same version of understudy and of Python.

    Prints how many events were fed and how many effects compared, and the first difference if there is one: then this is not
    the code that decided, or it decides by something that it should not depend on; please report it with FILE.
    Nothing is opened, sent or started.

    \b
    Exit codes: 0 the answers are the same, 1 one differs or FILE cannot be read.

    \b
    Examples:
      understudy replay "$(understudy dump)"
      understudy replay --story report.jsonl
    """
    from ..sim.replay import replay
    from ..units import SECOND
    from .terminal import print_json, say

    recording = _read(file)
    notes: list[dict[str, Any]] = []

    def told(span: int, note: Any) -> None:
        notes.append({"seconds": span / SECOND, "group": note.group, "text": note.why})
        if story and not as_json:
            say(f"{span / SECOND:10.3f}  {f'[{note.group}] ' if note.group else ''}{note.why}")

    done = replay(recording, told)
    if as_json:
        print_json(_as_json(recording.node, done) | ({"notes": notes} if story else {}))
    else:
        _tell(recording.node, done)
    raise SystemExit(0 if done.difference is None else 1)


def _read(file: str) -> Any:
    from ..sim.recording import BadRecording, read_recording

    try:
        with open(file, encoding="utf-8") as lines:
            return read_recording(lines)
    except OSError as error:
        raise BadRecording(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadRecording(f"{file} is no text, so no recording either") from None
    except BadRecording as error:
        raise BadRecording(f"{file}: {error.text}") from None


def _as_json(node: str, done: Any) -> dict[str, Any]:
    from ..units import SECOND

    found: dict[str, Any] = {
        "schema": 1,
        "ok": done.difference is None,
        "node": node,
        "events": done.entries,
        "effects": done.effects,
        "seconds": done.span / SECOND,
        "failure": done.failure,
        "difference": None,
    }
    if done.difference is not None:
        one = done.difference
        found["difference"] = {"line": one.line, "event": one.event, "then": one.there, "now": one.here}
    return found


def _tell(node: str, done: Any) -> None:
    from ..units import SECOND
    from .terminal import say

    say(f"{node}: {done.entries} events of {done.span / SECOND:.1f} s fed, {done.effects} effects compared")
    if done.failure:
        say(f"At the last one the core fails inside, as it did then: {done.failure}")
    elif done.difference is None:
        say("The answers are the same.")
    else:
        say(f"Line {done.difference.line} is answered differently: {done.difference.event}")
        say(f"  then: {_indented(done.difference.there)}")
        say(f"  now:  {_indented(done.difference.here)}")


def _indented(text: str) -> str:
    return text.replace("\n", "\n        ") if text else "nothing"
