"""``understudy dump``."""

from __future__ import annotations

import click

from .options import json_option, runtime_dir_option


@click.command()
@json_option
@runtime_dir_option
def command(as_json: bool, runtime_dir: str) -> None:
    """Write what the pulse was told and what it wished lately to a file, and print the file's name.

    For a report of a mistake, or to look at a decision again: `understudy replay FILE`. One JSON object on each line: what it is,
    a copy of the core as it was, then the time (nanoseconds of the boot clock), the event and the effects of each entry, at least
    the last 2048. It contains names and addresses of the cluster, never keys, nor what programs and fence devices are told.

    \b
    Exit codes: 0 written, 3 no daemon answers here, 4 you may not ask, 5 no answer in time.

    \b
    Example:
      cp "$(understudy dump)" report.jsonl
    """
    from .client import Client
    from .terminal import print_json, say

    answer = Client(runtime_dir).post("/v1/dump", {})
    if as_json:
        print_json(answer)
    else:
        say(answer["file"])
