"""The native tables of services: any ServiceFiles, written, reads back the same; what is wrong is told with its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from config_helpers import GOOD, HERE
from hypothesis import HealthCheck, given, settings
from services_strategies import files

from understudy.config.difference import difference
from understudy.config.load import load, load_for_pulse
from understudy.config.render import render
from understudy.config.services_render import render as render_services
from understudy.config.validate import read
from understudy.errors import ConfigError
from understudy.pulse.secrets import without_secrets
from understudy.service_checks import Check, HttpQuestion, Page, Target
from understudy.services import ServiceFiles
from understudy.units import SECOND


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_services_alone_read_back_the_same(made: ServiceFiles) -> None:
    text = render_services(made)
    reading = read(text, "services.toml")
    assert reading.cluster is not None, (text, reading.problems)
    assert reading.cluster.services == made
    again = read(render(reading.cluster), "services.toml").cluster
    assert again is not None
    assert again.services == made


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files(("site",)))
def test_services_of_a_cluster_read_back_the_same(made: ServiceFiles) -> None:
    reading = read(f"{GOOD}\n{render_services(made)}", "cluster.toml")
    assert reading.cluster is not None, reading.problems
    assert reading.cluster.services == made
    again = read(render(reading.cluster), "cluster.toml").cluster
    assert again is not None
    assert again.services == made


SHORT = """
[services.web]
address = "192.0.2.254:80"
scheduler = "wrr"
forward = "direct"
servers = ["192.0.2.11:80", { address = "192.0.2.12:80", weight = 3 }]
check = { http = "/alive.html", text = "Test Page", every = "10s", timeout = "5s", fall = 3, rise = 1 }
fallback = { address = "127.0.0.1:80", forward = "nat" }
"""


def _services(text: str) -> ServiceFiles:
    cluster = read(text, "services.toml").cluster
    assert cluster is not None
    assert cluster.services is not None
    return cluster.services


def test_what_people_write() -> None:
    web = _services(SHORT).services[0]
    assert [(server.name, server.weight, server.forward.value) for server in web.reals] == [
        ("192.0.2.11:80", 1, "direct"),
        ("192.0.2.12:80", 3, "direct"),
    ]
    check = web.reals[1].checks[0]
    assert check == Check(
        HttpQuestion((Page("/alive.html", text="Test Page"),)), Target("192.0.2.12", 80), 10 * SECOND, 5 * SECOND, 1, 3
    )
    assert web.fallback is not None
    assert web.fallback.checks == ()
    assert str(web.keys[0]) == "tcp 192.0.2.254:80"


def test_a_server_without_a_port_has_that_of_the_service_and_may_have_no_check() -> None:
    text = SHORT.replace('"192.0.2.11:80",', '{ address = "192.0.2.11", check = [] },')
    first = _services(text).services[0].reals[0]
    assert (first.port, first.checks) == (80, ())


def test_a_service_follows_the_group_that_has_its_address() -> None:
    made = SHORT.replace("192.0.2.254", "192.168.58.100")
    for more, expected in (("", "site"), ('group = "site"\n', "site"), ("group = false\n", "")):
        text = made.replace("scheduler", f"{more}scheduler")
        assert _services(f"{GOOD}{text}").services[0].group == expected
    reading = read(f"{GOOD}{SHORT}", "cluster.toml")
    assert ["no group of this file has the address" in each.text for each in reading.problems] == [True]


def test_a_service_follows_the_virtual_router_that_has_its_address() -> None:
    router = '[virtual_routers.V]\ndevice = "eth0"\nid = 5\naddresses = ["192.0.2.254/24"]\n'
    assert _services(f"{router}{SHORT}").services[0].group == "V"


def test_services_are_no_part_of_what_machines_agree_about() -> None:
    with_them, without = (read(text, "c.toml").cluster for text in (f"{GOOD}{SHORT}", GOOD))
    assert with_them is not None
    assert without is not None
    assert with_them.services is not None
    assert without.services is None
    assert with_them.digest == without.digest


def test_the_core_holds_nothing_of_them() -> None:
    cluster = read(f"{GOOD}{SHORT}", "c.toml").cluster
    assert cluster is not None
    assert without_secrets(cluster).services is None


def test_what_differs_is_named() -> None:
    before = read(f"{GOOD}{SHORT}", "c.toml").cluster
    new = SHORT.replace("wrr", "rr").replace("weight = 3", "weight = 4").replace('"192.0.2.11:80", ', "")
    new = (
        new.replace("fall = 3", "fall = 2") + '\n[services.more]\naddress = "192.0.2.253:80"\nservers = ["192.0.2.1"]\n'
    )
    after = read(f"{GOOD}{new}\n[balancing]\nflush = true\n", "c.toml").cluster
    assert before is not None
    assert after is not None
    assert [(change.where, change.text) for change in difference(before, after).changes] == [
        ("balancing", "flush true instead of false"),
        (
            "services.web",
            "service web: scheduler rr instead of wrr, without 192.0.2.11:80, 192.0.2.12:80: weight 4 instead of 3 and "
            "other checks",
        ),
        ("services.more", "service more is new"),
    ]
    assert [change.text for change in difference(after, before).changes][-1] == "service more is gone"
    assert difference(before, before).changes == ()


WRONG = [
    ("schedular = 1", 'unknown word "schedular" in [services.w]'),
    ('address = "www.example.net:80"', '"address" cannot be "www.example.net:80"'),
    ("address = 80", '"address" cannot be a whole number'),
    ('address = "192.0.2.9:99999"', '"address" cannot be "192.0.2.9:99999"'),
    ("address = []", '"address" is empty'),
    ('address = "192.0.2.9"', "tcp 192.0.2.9:0 has no port: only a service with persistence is for every port"),
    ("fwmark = 0", '"fwmark" is a whole number from 1 to 4294967295'),
    ("family = 5\nfwmark = 2", '"family" is 4 or 6'),
    ("family = 6", '"family" is for a fwmark; an address says its own'),
    ('protocol = "icmp"', 'unknown "protocol" "icmp"'),
    ('group = "nobody"', '"nobody" is no group or virtual router of this file'),
    ('scheduler = "Round Robin"', '"Round Robin" cannot name a scheduler'),
    ('forward = "gate"', 'unknown "forward" "gate"'),
    ('tunnel = "gre"', '192.0.2.11:80 has a "tunnel" and is not reached by one'),
    ('forward = "tunnel"\ntunnel = "gue"', "a gue tunnel has a port, and the others have none"),
    ('plane = "ebpf"', 'unknown "plane" "ebpf"'),
    ("persistence = 300", '"persistence" must be a duration, not a whole number'),
    ("granularity = 24", '"granularity" is about persistence'),
    ('granularity = 64\npersistence = "5m"', "IPv4 addresses have 32 bits"),
    ("one_packet = true", '"one_packet" is for UDP'),
    ("fallback_quiet = true", '"fallback_quiet" is about a fallback, and there is none'),
    ("drop_without_quorum = true", '"drop_without_quorum" is about a fallback, and there is none'),
    ("quorum_up = []", '"quorum_up" names no program'),
    ('quorum_up = { user = "nobody" }', '"quorum_up" needs "program"'),
    ('mailing = { when = ["never"] }', '"when" cannot be "never"'),
    ('fallback = "nowhere"', "a server is an address with its port"),
    ('fallback = "[2001:db8::1]:80"', "[2001:db8::1]:80 is of the other family than w: only a tunnel reaches it"),
    ('servers = ["192.0.2.1:80", "192.0.2.1"]', "the server 192.0.2.1:80 is there twice"),
    ('servers = [{ address = "192.0.2.1", wait = 1 }]', 'unknown word "wait" in a server'),
    ('servers = [{ address = "192.0.2.1", weight = 65536 }]', '"weight" is 65536, but must be from 0 to 65535'),
    ("servers = []", ""),
    ("check = 1", "a check of [services.w] must be a table, not a whole number"),
    ("check = {}", "a check of [services.w] does not say what it asks"),
    ("check = { htp = 1 }", 'unknown word "htp" in a check of [services.w]'),
    ("check = { tcp = 80 }", 'unknown word "tcp" in a check of [services.w]'),
    ("check = { ping = true, connect = true }", "a check asks one thing only, but this one has ping and connect"),
    ("check = { connect = false }", '"connect" can only be true'),
    ("check = { connect = true, tries = 2 }", '"tries" does not belong in a check of [services.w]'),
    ('check = { connect = true, every = "0s" }', '"every" is 0s, but must be at least 1ms'),
    ("check = { connect = true, fall = 0 }", '"fall" is 0, but must be from 1 to 2147483647'),
    ('check = { connect = true, source = "here" }', '"here" is not an IP address'),
    ('check = { http = "alive" }', '"alive" is not a path'),
    ("check = { http = [] }", '"http" lists no page'),
    ('check = { http = [{ host = "a" }] }', 'a page needs "path"'),
    ('check = { http = [{ path = "/" }], text = "a" }', '"text" stands beside a list of pages'),
    ('check = { http = "/", status = 99 }', '"status" cannot be 99'),
    ('check = { http = "/", status = [] }', '"status" is empty'),
    ('check = { http = "/", digest = "00" }', '"00" is not a digest'),
    ('check = { http = "/", method = "PUT" }', '"method" is "PUT"'),
    ('check = { http = "/", version = "2" }', '"version" is "2"'),
    (
        'check = { http = "/", regex = "(" }',
        '"regex" is not a regular expression: missing ), unterminated subpattern at position 0',
    ),
    ('check = { http = "/", regex = { pattern = "a", flags = "q" } }', 'the flags of "regex" are "q"'),
    ('check = { http = "/", regex = { absent = true } }', '"regex" needs "pattern"'),
    ('check = { https = "/", tls = { sni = "a" } }', 'unknown word "sni" in "tls"'),
    ('check = { http = "/", each = 0 }', '"each" is 0, but must be from 1 to 2147483647'),
    ("check = { say = true }", '"say" must be a string, not true'),
    ('check = { say_hex = "0" }', '"0" is not hexadecimal'),
    ("check = { smtp = false }", '"smtp" cannot be false'),
    ('check = { datagram = "xx" }', '"xx" is not hexadecimal'),
    ('check = { datagram = true, reply = "1" }', '"1" is not hexadecimal'),
    ("check = { program = [] }", '"program" names no program'),
    ("check = { file = 3 }", '"file" must be a string, not a whole number'),
    ('check = { always = "off" }', '"always" is "off"'),
]


@pytest.mark.parametrize(("line", "expected"), WRONG, ids=[line for line, _ in WRONG])
def test_what_is_wrong_is_told_with_its_place(line: str, expected: str) -> None:
    said = {"address": 'address = "192.0.2.254:80"', "servers": 'servers = ["192.0.2.11:80"]'}
    said.pop(line.partition(" ")[0], None)
    head = "[services.w]\n" + "".join(f"{text}\n" for text in said.values())
    problems = read(f"{head}{line}\n", "s.toml").problems
    errors = [each for each in problems if each.severity == "error"]
    assert [each.text for each in errors] == [expected] * bool(expected), problems
    for each in problems:
        assert each.line >= head.count("\n") + 1 or each.text.startswith(("192.0.2.11:80 has a", "w has no", "[2001"))
        assert each.column > 0


def test_what_is_wrong_with_all_of_them() -> None:
    text = '[services.a]\nservers = ["192.0.2.1:1"]\n' + SHORT + SHORT.replace("services.web", "services.other")
    found = [each.text for each in read(text, "s.toml").problems]
    assert found == ['[services.a] needs "address"', "tcp 192.0.2.254:80 is the service web already"]
    more = '[balancing]\nsync = { ttl = 0 }\ntimeouts = { icmp = "1s" }\ncallback = ""\nwait = 1\n'
    more += 'autoreload = "yes"\nlog_facility = "locall0"\n'
    assert [each.text for each in read(more, "s.toml").problems] == [
        '[balancing.sync] needs "device"',
        '"ttl" is 0, but must be from 1 to 255',
        'unknown word "icmp" in [balancing.timeouts]',
        '"callback" must be a list of words, not a string',
        'unknown word "wait" in [balancing]',
        '"autoreload" must be true or false, not a string',
        '"log_facility" is "locall0"',
    ]


def test_the_pulse_reads_nothing_of_them(tmp_path: Path) -> None:
    native, old = tmp_path / "services.toml", tmp_path / "keepalived.conf"
    native.write_text(SHORT)
    old.write_text((HERE / "keepalived" / "services" / "keepalived.conf").read_text())
    for path in (native, old):
        whole = load(str(path))
        assert whole.services is not None
        assert whole.services.services
        assert load_for_pulse(str(path)) == replace(whole, services=None)


def test_the_pulse_does_not_even_take_them_apart_where_nothing_stands_behind(tmp_path: Path) -> None:
    path = tmp_path / "running.toml"
    broken = '[routing]\nnode = "one"\n\n[services.web]\nservers = [[[\n'
    path.write_text(broken)
    assert load_for_pulse(str(path)).names == ("one",)
    for behind in ("[api]\nlisten = false\n", 'text = """\n[services.b]\n"""\n'):
        path.write_text(broken + behind)
        with pytest.raises(ConfigError):
            load_for_pulse(str(path))
