"""``understudy diff``."""

from __future__ import annotations

from typing import Any

import click

from .options import complete_node, json_option, runtime_dir_option


@click.command()
@click.option(
    "--file", "path", metavar="FILE", type=click.Path(), help="Compare with this file instead of the daemon's own."
)
@click.option(
    "--peer", metavar="NODE", shell_complete=complete_node, help="Whether NODE runs with what this node runs with."
)
@json_option
@runtime_dir_option
def command(path: str | None, peer: str | None, as_json: bool, runtime_dir: str) -> None:
    """Show what the configuration file changes, before it is taken up.

    Compared is what this node runs with, and what the file says that it was started with. With --file it is another file, which
    may have been copied from another machine. With --peer the other node's word is looked at: heartbeats carry a digest of the
    whole configuration, which tells that it differs, and not where.

    \b
    Exit codes: 0 no difference, 1 there is one (or FILE has errors), 2 wrong use, 3 no daemon answers here.

    \b
    Examples:
      understudy diff
      understudy diff --peer ha02
      understudy diff --file /tmp/cluster.toml.of-ha02
    """
    from .client import Client
    from .difference_text import lines
    from .terminal import print_json, say

    if path is not None and peer is not None:
        raise click.UsageError("--file and --peer exclude each other")
    if peer is not None:
        same, text = _peer(Client(runtime_dir).get("/v1/status"), peer)
        if as_json:
            print_json({"peer": peer, "same": same, "text": text})
        else:
            say(text)
        raise SystemExit(0 if same else 1)
    found = _with_file(path, runtime_dir) if path is not None else Client(runtime_dir).get("/v1/difference")
    if as_json:
        print_json(found)
    else:
        for line in lines(found):
            say(line)
    raise SystemExit(0 if found["digest"] and not found["changes"] else 1)


def _peer(status: dict[str, Any], peer: str) -> tuple[bool | None, str]:
    """Whether the other node runs with the same, None if it does not say, and a sentence."""
    from ..errors import UsageError

    found = next((node for node in status["nodes"] if node["name"] == peer), None)
    if found is None:
        names = ", ".join(node["name"] for node in status["nodes"])
        raise UsageError(f"there is no member {peer!r}", f"known: {names}")
    if peer == status["node"]:
        return True, f"{peer} is this node"
    if found["state"] not in ("up", "late"):
        return None, f"{peer} is {found['state']}: it does not say what it runs with"
    if found["config_differs"]:
        hint = f"copy its file here and compare: understudy diff --file FILE (or look on {peer}: understudy diff)"
        return False, f"{peer} runs with another configuration than this node; {hint}"
    return True, f"{peer} runs with the same configuration as this node"


def _with_file(path: str, runtime_dir: str) -> dict[str, Any]:
    """The same answer as the daemon's, about another file."""
    from ..adapters import running
    from ..config.difference import Difference, difference
    from ..config.load import examine
    from ..errors import NotRunning
    from ..manager.reload import Judged, lacking, old_warnings

    before, _ = examine(running.configuration(runtime_dir), with_api_files=False)
    if before is None:
        raise NotRunning(
            f"{running.configuration(runtime_dir)} cannot be read", "is the daemon started here? ask as root"
        )
    found, problems = examine(path)
    what = Difference(()) if found is None else difference(before, found)
    as_before = old_warnings(problems, before)
    remarks = () if found is None else lacking(found)
    return Judged(path, found, tuple(map(str, problems)), what, remarks, as_before=as_before).answer()
