"""The OCF resource agent interface and LSB-like scripts: environment in, exit code out. No processes here.

OCF Resource Agent API 1.1; the environment and the reading of exit codes follow what Pacemaker does, because that is what
agents are tested with. Not handled: promotable, clone and notify actions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..effects import Action
from ..events import Outcome
from ..model import OcfResource, ScriptResource
from ..units import MILLISECOND, Duration
from .agent_action import Ended
from .agent_log import last_line
from .agent_proc import SEARCH_PATH as SEARCH_PATH
from .agent_proc import describe_exit

OCF_ROOT = "/usr/lib/ocf"
STANDARD_TEMPORARY = "/run/resource-agents"
EXIT_REASON = "ocf-exit-reason:"

# What the agents' shell library puts before its lines when no logger is configured.
_LOG_PREFIX = re.compile(r"^[A-Z][a-z]{2} +[0-9]+ [0-9:]{8} (?:[A-Z]+: *)?")

_MEANING = {
    1: "generic error",
    2: "bad arguments, or wrong for this machine",
    3: "not implemented by the agent",
    4: "not permitted",
    5: "not installed here",
    6: "not configured",
    7: "not running",
    8: "running as promoted",
    9: "failed as promoted",
    190: "degraded",
    191: "degraded as promoted",
}

Verdict = tuple[Outcome, str]


def base_environment(cluster_node: str, group: str, resource: str, ballot: int, reason: str = "") -> dict[str, str]:
    """What every program of ours gets. ``UNDERSTUDY_BALLOT`` is the fencing token: it grows with every change of holder.

    ``reason``: why it is called, in words.
    """
    environment = {
        "PATH": SEARCH_PATH,
        "LC_ALL": "C",
        "HOME": os.environ.get("HOME", "/"),
        "UNDERSTUDY_NODE": cluster_node,
        "UNDERSTUDY_GROUP": group,
        "UNDERSTUDY_RESOURCE": resource,
        "UNDERSTUDY_BALLOT": str(ballot),
        "UNDERSTUDY_REASON": reason,
    }
    for name in ("TZ", "TMPDIR", "OCF_ROOT"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment


def agent_path(resource: OcfResource) -> str:
    root = os.environ.get("OCF_ROOT", OCF_ROOT)
    return os.path.join(root, "resource.d", resource.provider, resource.type)


def ocf_environment(
    resource: OcfResource, base: Mapping[str, str], action: Action, limit: Duration, interval: Duration, temporary: str
) -> dict[str, str]:
    """The agent's environment. ``interval`` 0 makes a monitor a probe ("is it here?"), which agents answer more leniently.

    ``temporary`` becomes HA_RSCTMP, where agents keep their state files. Defaults of parameters are not passed; agents know them.
    """
    environment = {
        **base,
        "OCF_ROOT": os.environ.get("OCF_ROOT", OCF_ROOT),
        "OCF_RA_VERSION_MAJOR": "1",
        "OCF_RA_VERSION_MINOR": "1",
        "OCF_EXIT_REASON_PREFIX": EXIT_REASON,
        "OCF_RESOURCE_INSTANCE": instance_name(resource.id),
        "OCF_RESOURCE_TYPE": resource.type,
        "OCF_RESOURCE_PROVIDER": resource.provider,
        "OCF_CHECK_LEVEL": "0",
        "OCF_RESKEY_CRM_meta_timeout": str(max(limit // MILLISECOND, 1)),
        "OCF_RESKEY_CRM_meta_interval": str(interval // MILLISECOND),
        "OCF_RESKEY_CRM_meta_name": action.value,
        "OCF_RESKEY_CRM_meta_on_node": base["UNDERSTUDY_NODE"],
        "HA_RSCTMP": temporary,
        "HA_LOGFACILITY": "none",
        "HA_debug": "0",
    }
    for name, value in resource.parameters:
        environment[f"OCF_RESKEY_{name}"] = value
    return environment


def instance_name(resource: str) -> str:
    """Agents build file names and shell words from the instance name, so it has neither blanks nor slashes."""
    return "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in resource)


def exit_reason(output: str) -> str:
    """The agent's own last explanation, or its last line, or nothing."""
    for line in reversed(output.splitlines()):
        if line.startswith(EXIT_REASON):
            return line[len(EXIT_REASON) :].strip()[:300]
    return _LOG_PREFIX.sub("", last_line(output))


def _with_reason(text: str, reason: str) -> str:
    return f"{text}: {reason}" if reason else text


def ocf_verdict(action: Action, ended: Ended, probe: bool) -> Verdict:
    """What an agent's end means. A time-out or a signal is UNKNOWN, never a guess.

    On a probe "not installed" (5) and an agent that is missing mean that the resource does not run here. A stop is OK only
    with 0.
    """
    if ended.status is None:
        if ended.missing:
            gone = action is Action.MONITOR and probe
            return (Outcome.NOT_RUNNING if gone else Outcome.FAILED), ended.trouble
        return Outcome.UNKNOWN, _with_reason(ended.trouble, exit_reason(ended.output))
    if ended.status < 0:
        return Outcome.UNKNOWN, _with_reason(f"ended by {describe_exit(ended.status)}", exit_reason(ended.output))
    if ended.status == 0:
        return Outcome.OK, ""
    meaning = _MEANING.get(ended.status, "unknown code")
    text = _with_reason(f"exit code {ended.status} ({meaning})", exit_reason(ended.output))
    if action is Action.MONITOR:
        if ended.status == 7 or (ended.status == 5 and probe):
            return Outcome.NOT_RUNNING, text
        if ended.status == 190:
            return Outcome.OK, text
    return Outcome.FAILED, text


def script_verdict(action: Action, ended: Ended, probe: bool, stop_failed: bool = False) -> Verdict:
    """LSB: start and stop succeed with 0 only; status 0 runs, 1 to 3 does not, anything else is unknown.

    After a stop that failed only 3 is "not running": with 1 or 2 a script that cannot do its work may end too.
    """
    if ended.status is None:
        if ended.missing:
            gone = action is Action.MONITOR and probe
            return (Outcome.NOT_RUNNING if gone else Outcome.FAILED), ended.trouble
        return Outcome.UNKNOWN, _with_reason(ended.trouble, last_line(ended.output))
    if ended.status == 0:
        return Outcome.OK, ""
    text = _with_reason(describe_exit(ended.status), last_line(ended.output))
    if ended.status < 0:
        return Outcome.UNKNOWN, f"ended by {text}"
    if action is not Action.MONITOR:
        return Outcome.FAILED, text
    stopped = (3,) if stop_failed else (1, 2, 3)
    return (Outcome.NOT_RUNNING if ended.status in stopped else Outcome.UNKNOWN), text


def script_words(resource: ScriptResource, action: Action) -> tuple[str, ...]:
    """The script's command line; LSB calls a monitor "status"."""
    return (resource.path, *resource.arguments, "status" if action is Action.MONITOR else action.value)
