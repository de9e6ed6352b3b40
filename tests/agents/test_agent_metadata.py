"""What agents print about themselves, read and used: types that lie, times in every notation, values that do not fit."""

from __future__ import annotations

import pytest

from understudy.adapters.agent_advice import judge_parameters, judge_resource
from understudy.adapters.agent_metadata import NotMetadata, Parameter, read_description, time_span, type_complaint
from understudy.model import Limits, OcfResource
from understudy.units import MILLISECOND, MINUTE, SECOND

TEXT = """Nov 20 21:30:01 INFO: a line of a log comes first
<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="site" version="1.1">
<version>1.0</version>
<longdesc lang="en">
First lines
of a paragraph.

Second   one.
</longdesc>
<shortdesc lang="en">Runs a
  site</shortdesc>
<parameters>
<parameter name="root" required="1" unique="1"><content type="string" default=""/></parameter>
<parameter name="port" required="1"><content type="integer" default="80"/>
  <shortdesc lang="en">Port</shortdesc></parameter>
<parameter name="quiet"><content type="boolean"/></parameter>
<parameter name="mode"><content type="select"><option value="a"/><option value="b"/></content></parameter>
<parameter name="ip" obsoletes="ipaddr"><content type="string"/></parameter>
</parameters>
<actions>
<action name="start" timeout="40s"/>
<action name="stop" timeout="100"/>
<action name="monitor" depth="10" timeout="90s" interval="60s"/>
<action name="monitor" depth="0" timeout="20s" interval="10"/>
<action name="monitor" role="Promoted" timeout="1s"/>
</actions>
</resource-agent>
"""


def resource(limits: Limits | None = None, **parameters: str) -> OcfResource:
    given = {"root": "/srv", **parameters}
    return OcfResource("site", "local", "site", tuple(sorted(given.items())), limits=limits or Limits())


def said(limits: Limits | None = None, **parameters: str) -> list[str]:
    found = judge_resource(resource(limits, **parameters), read_description(TEXT))
    return [f"{item.word}: {item.sentence()}" for item in found if item.grave or limits is not None]


def test_everything_is_read() -> None:
    found = read_description(TEXT)
    assert (found.name, found.version, found.short) == ("site", "1.1", "Runs a site")
    assert found.long == "First lines of a paragraph.\nSecond one."
    root, port, quiet, mode, ip = found.parameters
    assert (root.required, root.unique, root.type, root.default) == (True, True, "string", "")
    assert (port.required, port.unique, port.default, port.short) == (True, False, "80", "Port")
    assert (quiet.type, quiet.default) == ("boolean", None)
    assert mode.options == ("a", "b")
    assert ip.also == "ipaddr"
    start, stop, *_ = found.actions
    assert (start.timeout, stop.timeout) == (40 * SECOND, 100 * SECOND)


def test_the_plain_monitor_is_the_one_that_counts() -> None:
    monitor = read_description(TEXT).advised("monitor")
    assert monitor is not None
    assert (monitor.timeout, monitor.interval) == (20 * SECOND, 10 * SECOND)
    assert read_description(TEXT).advised("promote") is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it printed nothing"),
        ("usage: site {start|stop}", "it printed no XML"),
        ("<resource-agent><parameters>", "its XML is broken: "),
        ("<html/>", "its XML begins with <html>"),
    ],
)
def test_what_is_no_metadata_is_said_in_a_sentence(text: str, reason: str) -> None:
    with pytest.raises(NotMetadata) as caught:
        read_description(text)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("20", 20 * SECOND),
        ("20s", 20 * SECOND),
        (" 1.5 ", 1500 * MILLISECOND),
        ("500ms", 500 * MILLISECOND),
        ("2min", 2 * MINUTE),
        ("30 sec", 30 * SECOND),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_times_in_every_notation(text: str | None, span: int | None) -> None:
    assert time_span(text) == span


def test_a_good_resource_draws_no_complaint() -> None:
    assert said(port="8080", quiet="yes", mode="b", ipaddr="192.0.2.1", CRM_meta_note="x") == []


def test_an_unknown_parameter_names_the_nearest() -> None:
    assert said(prt="1") == ['prt: local:site has no parameter "prt"; did you mean "port"?']
    assert said(zzzz="1") == ['zzzz: local:site has no parameter "zzzz"; see: understudy agents local:site']


def test_what_is_required_and_has_no_default_must_be_there() -> None:
    """``port`` is required too, but an agent that names a default can do without."""
    found = judge_parameters("x", {}, read_description(TEXT), {}, frozenset())
    assert [item.text for item in found] == ['x needs the parameter "root"']


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"port": "many"}, 'port: "port" of local:site must be a whole number, not "many"; Write digits only.'),
        (
            {"quiet": "perhaps"},
            'quiet: "quiet" of local:site must be true or false, not "perhaps"; Write it without quotation marks.',
        ),
        (
            {"quiet": "Yes"},
            'quiet: "quiet" of local:site must be true or false, not "Yes"; Agents take "Yes" for false. Write true.',
        ),
        ({"mode": "c"}, 'mode: "mode" of local:site must be one of a, b, not "c"'),
    ],
)
def test_values_that_do_not_fit_their_type(parameters: dict[str, str], expected: str) -> None:
    assert said(**parameters) == [expected]


def test_a_type_that_the_default_itself_does_not_fit_is_not_believed() -> None:
    assert type_complaint(Parameter("name", type="integer", default="pingd"), "other") is None
    assert type_complaint(Parameter("name", type="integer", default="5"), "other") is not None
    assert type_complaint(Parameter("name", type="integer", default="5"), "") is None


def test_time_outs_below_the_advice_are_one_warning() -> None:
    limits = Limits(start=40 * SECOND, stop=20 * SECOND, monitor=5 * SECOND)
    assert said(limits) == [
        "stop_timeout: local:site advises 100s for stop (here 20s), 20s for monitor (here 5s); "
        'Write stop_timeout = "100s", monitor_timeout = "20s".'
    ]
    (found,) = judge_resource(resource(limits), read_description(TEXT))
    assert not found.grave
    assert said(Limits(40 * SECOND, 100 * SECOND, 20 * SECOND)) == []
