"""What an agent says of itself: the XML of OCF resource agents, fence agents and old STONITH plugins.

OCF Resource Agent API 1.1, section "Meta-data". Fence agents print the same root with ``getopt`` and ``option`` elements added;
plugins of the old kind print the list of parameters alone. Nothing runs here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from ..units import MILLISECOND, SECOND, Duration, format_duration, parse_duration

TRUE_WORDS = ("yes", "true", "1", "YES", "TRUE", "True", "ja", "on", "ON")
"""What the agents' shell library takes for true (``ocf_is_true``, resource-agents 4.12); anything else is false to it."""

_FALSE_WORDS = frozenset({"no", "false", "0", "off", "nein", "n", "f"})
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. ``default`` None: the agent names none. ``type`` as printed, mostly string, integer or boolean.

    ``options``: the values that it may have, () when any. ``also``: an older name of the same thing.
    """

    name: str
    required: bool = False
    unique: bool = False
    type: str = "string"
    default: str | None = None
    options: tuple[str, ...] = ()
    short: str = ""
    long: str = ""
    also: str = ""
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class AdvisedAction:
    """An action and the times that the agent advises; None where it does not."""

    name: str
    timeout: Duration | None = None
    interval: Duration | None = None
    depth: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Description:
    name: str = ""
    version: str = ""
    short: str = ""
    long: str = ""
    parameters: tuple[Parameter, ...] = ()
    actions: tuple[AdvisedAction, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Other names of a fence agent's program, and what the device behind each is."""

    def parameter(self, name: str) -> Parameter | None:
        return next((item for item in self.parameters if name in (item.name, item.also or item.name)), None)

    def advised(self, action: str) -> AdvisedAction | None:
        """The action of that name; of several monitors the plain one (no role, the least depth)."""
        found = [item for item in self.actions if item.name == action]
        return min(found, key=lambda item: (item.role != "", item.depth.strip() not in ("", "0")), default=None)


class NotMetadata(ValueError):
    """What was printed is not metadata; the text says why."""


def read_description(text: str) -> Description:
    """Read what an agent printed; whatever stands before the first ``<`` is skipped. Raises NotMetadata."""
    start = text.find("<")
    if start < 0:
        raise NotMetadata("it printed no XML" if text.strip() else "it printed nothing")
    try:
        root = ElementTree.fromstring(text[start:].strip())
    except ElementTree.ParseError as error:
        raise NotMetadata(f"its XML is broken: {error}") from None
    if root.tag not in ("resource-agent", "parameters"):
        raise NotMetadata(f"its XML begins with <{root.tag}>, not <resource-agent>")
    named = [item for item in root.iter("parameter") if item.get("name")]
    parameters: dict[str, Parameter] = {}
    for item in named:
        parameters.setdefault(item.get("name", ""), _parameter(item))
    return Description(
        root.get("name", ""),
        root.get("version", ""),
        one_line(root.findtext("shortdesc") or root.get("shortdesc") or ""),
        _paragraphs(root.findtext("longdesc") or ""),
        tuple(parameters.values()),
        tuple(_action(item) for item in root.iter("action") if item.get("name")),
        tuple((item.get("name", ""), one_line(item.get("shortdesc", ""))) for item in root.iter("symlink")),
    )


def _parameter(item: ElementTree.Element) -> Parameter:
    content = item.find("content")
    found = ElementTree.Element("content") if content is None else content
    return Parameter(
        item.get("name", ""),
        item.get("required") in ("1", "true"),
        item.get("unique") in ("1", "true"),
        found.get("type", "string"),
        found.get("default"),
        tuple(option.get("value", "") for option in found.iter("option")),
        one_line(item.findtext("shortdesc") or ""),
        _paragraphs(item.findtext("longdesc") or ""),
        item.get("obsoletes", ""),
        item.get("deprecated") in ("1", "true") or item.find("deprecated") is not None,
    )


def _action(item: ElementTree.Element) -> AdvisedAction:
    return AdvisedAction(
        item.get("name", ""),
        time_span(item.get("timeout")),
        time_span(item.get("interval")),
        item.get("depth", ""),
        item.get("role", ""),
    )


def time_span(text: str | None) -> Duration | None:
    """A time as agents write it, "20", "20s" or "500ms"; None when there is none, or none that makes sense."""
    if text is None:
        return None
    plain = text.strip().lower()
    if _NUMBER.fullmatch(plain):
        return int(float(plain) * 1000) * MILLISECOND
    try:
        return parse_duration(re.sub(r"(?:sec|min)$", lambda found: found[0][0], plain))
    except ValueError:
        return None


def one_line(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(text: str) -> str:
    """Blank lines part paragraphs; other line ends and indents mean nothing."""
    return "\n".join(filter(None, (one_line(part) for part in re.split(r"\n\s*\n", text))))


def type_complaint(parameter: Parameter, value: str) -> tuple[str, str] | None:
    """What is wrong with a value by the parameter's type, and how to mend it; None when nothing is known to be.

    A type that the agent's own default does not fit is not believed (``pingd`` calls a name an integer).
    """
    if value == "" or (parameter.default and not _fits(parameter, parameter.default)) or _fits(parameter, value):
        return None
    if parameter.options:
        return f"must be one of {', '.join(parameter.options)}", ""
    if parameter.type == "integer":
        return "must be a whole number", "Write digits only."
    if value.lower() in (word.lower() for word in TRUE_WORDS):
        return "must be true or false", f'Agents take "{value}" for false. Write true.'
    return "must be true or false", "Write it without quotation marks."


def _fits(parameter: Parameter, value: str) -> bool:
    if parameter.type == "integer":
        return _INTEGER.fullmatch(value) is not None
    if parameter.type == "boolean":
        return value in TRUE_WORDS or value.lower() in _FALSE_WORDS
    return not parameter.options or value in parameter.options


def span_text(span: Duration) -> str:
    """As a configuration writes it. Agents speak in seconds, so seconds stay seconds up to two minutes."""
    return f"{span // SECOND}s" if span % SECOND == 0 and span < 120 * SECOND else format_duration(span)
