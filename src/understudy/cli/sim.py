"""``understudy sim``: search for mistakes in the code that decides, on virtual time and under every kind of trouble."""

from __future__ import annotations

import click


def _numbers(text: str | None) -> frozenset[int] | None:
    if text is None:
        return None
    try:
        return frozenset(int(word) for word in text.split(",") if word.strip() and word.strip() != "none")
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of numbers like 3,7,9", param_hint="--only") from None


@click.command(name="sim", short_help="Search for mistakes on virtual time, under every kind of trouble.")
@click.option("--seeds", default=200, show_default=True, type=click.IntRange(1), help="How many seeds to run.")
@click.option("--from", "first", default=0, show_default=True, type=click.IntRange(0), help="The first seed.")
@click.option("--jobs", default=0, type=click.IntRange(0), help="Processes to use; 0 means one for each processor.")
@click.option("--seed", type=click.IntRange(0), help="Run this one seed only.")
@click.option("--story", is_flag=True, help="With --seed: tell everything that happened, line by line.")
@click.option("--shrink", is_flag=True, help="With --seed: leave out what its failure does not need.")
@click.option("--only", metavar="3,7,9", help="With --seed: deal only these strikes of its trouble (none: no trouble).")
@click.option("--since", default=0.0, help="With --story: begin at this virtual second.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(
    seeds: int,
    first: int,
    jobs: int,
    seed: int | None,
    story: bool,
    shrink: bool,
    only: str | None,
    since: float,
    as_json: bool,
) -> None:
    """Run the daemon's own core for pretend machines on virtual time.

    Each seed chooses a cluster (two to seven nodes, witnesses, quorum policy, groups, fence devices, watchdogs, clocks) and a
    schedule of trouble: loss, delay, duplicates, replays, crashes, frozen processes, power, cables, links, partitions,
    disks, failing programs and devices, stops that never end, changed files, operators. While it lasts, no two machines
    may have the right to serve one group; when it stops, every group must be up again within a stated time, and then
    nothing may move any more.

    The same seed does the same things in the same order on every machine. A seed that fails is printed with the
    command that repeats it.

    \b
    Examples:
      understudy sim --seeds 1000
      understudy sim --seed 17 --story
      understudy sim --seed 17 --shrink
      understudy sim --seed 17 --story --since 20

    Exit code: 0 if every seed passed, 1 otherwise.
    """
    from .sim_run import make_smaller, run_many, tell_story

    if seed is None and (story or shrink or only):
        raise click.UsageError("--story, --shrink and --only need --seed N")
    strikes = _numbers(only)
    if seed is not None and shrink:
        raise SystemExit(make_smaller(seed, strikes))
    if seed is not None and (story or strikes is not None):
        raise SystemExit(tell_story(seed, since, strikes))
    if seed is not None:
        first, seeds, jobs = seed, 1, 1
    raise SystemExit(run_many(first, seeds, jobs, as_json))
