"""What a configuration tells agents, held against what the agents of this machine say that they take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from ..adapters.agent_advice import Complaint, judge_resource
from ..adapters.agent_catalogue import AT_ONCE, Agent, AgentKind, describe
from ..adapters.agent_metadata import Description, NotMetadata
from ..adapters.agent_ocf import agent_path
from ..adapters.fence_metadata import complaints, metadata_from
from ..adapters.fence_program import program_path
from ..adapters.installed import is_program
from ..config.load import places_in
from ..config.places import TablePlaces
from ..errors import Problem
from ..fence_devices import FenceDevice, FenceKind
from ..model import Cluster, OcfResource


def judge_agents(path: str, cluster: Cluster) -> tuple[Problem, ...]:
    """Problems of a good file, as far as this machine has the agents that it names; each is asked once."""
    resources = [
        (group.name, number, item)
        for group in cluster.groups
        for number, item in enumerate(group.resources)
        if isinstance(item, OcfResource) and is_program(agent_path(item))
    ]
    fences = [(item, program) for item in cluster.fences if (program := _fence_program(item)) is not None]
    agents = [_ocf_agent(item) for _, _, item in resources] + [_fence_agent(*pair) for pair in fences]
    if not agents:
        return ()
    said = asyncio.run(_ask(list(dict.fromkeys(agents))))
    places = places_in(path)
    found: list[Problem] = []
    for group, number, resource in resources:
        answer = said[_ocf_agent(resource)]
        wrong = [_silent(answer)] if isinstance(answer, NotMetadata) else judge_resource(resource, answer)
        found += _problems(path, places.resource(group, number), wrong)
    for device, program in fences:
        answer = said[_fence_agent(device, program)]
        wrong = [_silent(answer)] if isinstance(answer, NotMetadata) else complaints(device, metadata_from(answer))
        found += _problems(path, places.fence(device.name), wrong)
    return tuple(found)


def _ocf_agent(resource: OcfResource) -> Agent:
    return Agent(AgentKind.OCF, f"{resource.provider}:{resource.type}", agent_path(resource))


def _fence_agent(device: FenceDevice, program: str) -> Agent:
    return Agent(AgentKind.FENCE, device.program, program)


def _fence_program(device: FenceDevice) -> str | None:
    return program_path(device) if device.kind is FenceKind.AGENT else None


async def _ask(agents: list[Agent]) -> dict[Agent, Description | NotMetadata]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(agent: Agent) -> Description | NotMetadata:
        async with gate:
            try:
                return await describe(agent)
            except NotMetadata as reason:
                return NotMetadata(f"{agent.name} does not say which parameters it takes: {reason}")

    return dict(zip(agents, await asyncio.gather(*map(one, agents)), strict=True))


def _silent(reason: NotMetadata) -> Complaint:
    return Complaint("", str(reason), "So nobody has looked at the parameters given to it.", grave=False)


def _problems(path: str, places: TablePlaces, wrong: list[Complaint] | Iterator[Complaint]) -> Iterator[Problem]:
    for item in wrong:
        place = places.at(item.word)
        hint = item.hint[:1].upper() + item.hint[1:]
        yield Problem(path, place.line, place.column, item.text, hint, "error" if item.grave else "warning")
