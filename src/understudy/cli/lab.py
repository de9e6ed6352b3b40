"""``understudy lab``: real daemons on machines made of namespaces, and switches to pull."""

from __future__ import annotations

import click


@click.command("lab")
@click.argument("scene", required=False)
@click.option(
    "--demo", is_flag=True, help="Play the demonstration: two web machines, a witness, nine faults. About a minute."
)
@click.option("--list", "list_", is_flag=True, help="Name the scenes that come with the program, and end.")
@click.option("--json", "json_", is_flag=True, help="Print the table as JSON and nothing else.")
@click.option("--keep", is_flag=True, help="Do not end after the list of faults: go on with a prompt.")
@click.option("--logs", metavar="DIR", help="Copy the daemons' logs and histories there at the end.")
def command(scene: str | None, demo: bool, list_: bool, json_: bool, keep: bool, logs: str | None) -> None:
    """Run a cluster of real daemons on this machine, and break it.

    SCENE is a TOML file, or the name of a scene that comes with the program (see --list). Every machine of the scene gets
    namespaces of its own; nothing touches this machine's network, and nothing is left behind when the lab ends, also on
    Ctrl-C. A scene with a list of faults plays it and ends with a table; one without, or with --keep, gives a prompt.

    \b
    Exit codes: 0 all rows good, 1 a row is bad, 2 the scene is wrong, 130 interrupted.

    \b
    Examples:
      understudy lab --demo
      understudy lab three            (a prompt: try "power ha01 off", "help", "quit")
      understudy lab my-scene.toml --json
    """
    import sys

    from ..errors import UnderstudyError, UsageError
    from ..lab import director
    from ..lab import scene as scenes

    if list_:
        for name in scenes.packaged_scenes():
            click.echo(f"{name:12} {scenes.load(scenes.find(name)).title}")
        return
    try:
        if not demo and scene is None:
            raise UsageError("which scene?", f"name one of {', '.join(scenes.packaged_scenes())}, a file, or --demo")
        wanted = scenes.load(scenes.find("demo" if demo else str(scene)))
        sys.exit(director.run(wanted, json_=json_, keep=keep, logs=logs))
    except UnderstudyError as error:
        click.echo(f"understudy: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    command()
