"""Whether what a configuration tells an agent is what the agent says that it takes. Pure: metadata in, complaints out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..model import Limits, OcfResource
from ..units import Duration, format_duration
from .agent_metadata import Description, span_text, type_complaint

SET_BY_THE_RUNNER = "CRM_meta_"
"""Parameters that begin so are the runner's own words to the agent, and stand in no metadata."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """``word``: the parameter or setting that it is about, "" for the resource as a whole. Not ``grave``: a warning."""

    word: str
    text: str
    hint: str = ""
    grave: bool = True

    def sentence(self) -> str:
        return f"{self.text}; {self.hint}" if self.hint else self.text


def judge_parameters(
    agent: str, given: Mapping[str, str], description: Description, other_names: Mapping[str, str], ours: frozenset[str]
) -> Iterator[Complaint]:
    """Unknown, missing and badly typed parameters. ``other_names`` mean the same; ``ours`` are set by us, not by the file."""
    known = {item.name for item in description.parameters} | {item.also for item in description.parameters if item.also}
    known |= {other_names[name] for name in known if name in other_names}
    for name, value in sorted(given.items()):
        if name not in known and not name.startswith(SET_BY_THE_RUNNER):
            near = difflib.get_close_matches(name, sorted(known - ours), n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"see: understudy agents {agent}"
            yield Complaint(name, f'{agent} has no parameter "{name}"', hint)
            continue
        parameter = description.parameter(name) or description.parameter(other_names.get(name, name))
        wrong = None if parameter is None else type_complaint(parameter, value)
        if wrong is not None:
            yield Complaint(name, f'"{name}" of {agent} {wrong[0]}, not "{value}"', wrong[1])
    for item in description.parameters:
        names = {item.name, item.also, other_names.get(item.name, item.name)}
        if item.required and not item.default and item.name not in ours and not names & given.keys():
            yield Complaint("", f'{agent} needs the parameter "{item.name}"', item.short)


def judge_resource(resource: OcfResource, description: Description) -> Iterator[Complaint]:
    """An OCF resource of the configuration: its parameters, and time-outs shorter than the agent advises."""
    agent = f"{resource.provider}:{resource.type}"
    yield from judge_parameters(agent, dict(resource.parameters), description, {}, frozenset())
    yield from judge_timeouts(agent, resource.limits, description, ("start", "stop", "monitor"))


def judge_timeouts(agent: str, limits: Limits, description: Description, actions: Sequence[str]) -> Iterator[Complaint]:
    """One warning about all of them: most files have never heard of any."""
    short: list[tuple[str, Duration, Duration]] = []
    for action in actions:
        advised = description.advised(action)
        limit: Duration = getattr(limits, action)
        if advised is not None and advised.timeout is not None and limit < advised.timeout:
            short.append((action, limit, advised.timeout))
    if short:
        said = ", ".join(
            f"{span_text(advised)} for {action} (here {format_duration(limit)})" for action, limit, advised in short
        )
        words = ", ".join(f'{action}_timeout = "{span_text(advised)}"' for action, _, advised in short)
        yield Complaint(f"{short[0][0]}_timeout", f"{agent} advises {said}", f"Write {words}.", grave=False)
