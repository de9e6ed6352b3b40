"""A program that is told when its group comes and goes, at its place in the order of the group's resources, and waited for.

Called with its arguments and then ``up`` (what stands before it in the group runs here now) or ``down`` (it is about to stop).
It is told each change once: what was told last is noted, so a new manager does not repeat it. Told down it is also for a
group that is moved away by force, but of course not by a machine that has lost power.

Whatever it answers, a stop goes on: a mail that cannot be sent must not keep a group from leaving.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..effects import Action
from ..events import Outcome
from ..model import NotifyResource
from ..units import Duration
from .agent_action import Ended
from .agent_log import last_line
from .agent_ocf import Verdict
from .agent_proc import boot_id, describe_exit, read_record, remove_record, write_record
from .agent_workbench import Workbench


class NotifyRunner:
    """One ``notify`` resource."""

    def __init__(self, resource: NotifyResource, bench: Workbench) -> None:
        self.resource = resource
        self._bench = bench

    async def perform(self, action: Action, limit: Duration, base: Mapping[str, str], probe: bool) -> Verdict:
        """See ``agent_workbench.Runner``."""
        up = self._is_up()
        if action is Action.MONITOR:
            return (Outcome.OK, "") if up else (Outcome.NOT_RUNNING, "")
        if (action is Action.START) is up:
            return Outcome.OK, ""
        if action is Action.STOP:
            # Forgotten first: whatever happens to this process now, it is told of the next start.
            remove_record(self._bench.note)
            trouble = _trouble(await self._tell("down", base, limit))
            return Outcome.OK, trouble
        trouble = _trouble(await self._tell("up", base, limit))
        if trouble and self.resource.must_succeed:
            return Outcome.FAILED, trouble
        unsaved = write_record(self._bench.note, {"boot": boot_id()})
        return Outcome.OK, "; ".join(text for text in (trouble, unsaved) if text)

    async def _tell(self, state: str, base: Mapping[str, str], limit: Duration) -> Ended:
        argv = (*self.resource.notify, state)
        return await self._bench.run(argv, {**base, "UNDERSTUDY_STATE": state}, limit)

    def _is_up(self) -> bool:
        record = read_record(self._bench.note)
        return record is not None and record.get("boot") == boot_id()


def _trouble(ended: Ended) -> str:
    """ "" when it took the news."""
    if ended.status == 0:
        return ""
    words = last_line(ended.output)
    text = ended.trouble if ended.status is None else describe_exit(ended.status)
    return f"{text}: {words}" if words else text
