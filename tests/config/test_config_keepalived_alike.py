"""Blocks that are written alike are read once: what they mean, and what is wrong with each of them, must not be seen."""

from __future__ import annotations

from keepalived_helpers import read_text

from understudy.config.services_render import render
from understudy.services import ServiceFiles, VirtualService

HEAD = "virtual_server {address} 80 {{\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n"


def _services(text: str) -> tuple[VirtualService, ...]:
    files = read_text(text).files
    assert files is not None
    assert files.services is not None
    return files.services.services


def _targets(body: str, *ends: str) -> list[tuple[str, int]]:
    blocks = "".join(f"real_server {end} {{\n{body}}}\n" for end in ends)
    servers = _services(f"{HEAD.format(address='192.0.2.1')}{blocks}}}\n")[0].reals
    return [(check.target.address, check.target.port) for server in servers for check in server.checks]


def test_each_is_asked_at_its_own_address_and_port() -> None:
    ends = ("198.51.100.1 80", "198.51.100.2 8080", "198.51.100.3")
    assert _targets("TCP_CHECK {\n}\n", *ends) == [("198.51.100.1", 80), ("198.51.100.2", 8080), ("198.51.100.3", 80)]


def test_connect_ip_and_port_of_the_first_are_those_of_all_though_they_are_its_own() -> None:
    body = "TCP_CHECK {\nconnect_ip 198.51.100.1\nconnect_port 80\n}\n"
    assert _targets(body, "198.51.100.1 80", "198.51.100.2 81") == [("198.51.100.1", 80)] * 2


def test_a_port_that_is_one_servers_own_is_written_for_the_other() -> None:
    body = "{\nTCP_CHECK {\nconnect_port 80\n}\n}\n"
    text = f"{HEAD.format(address='192.0.2.1')}real_server 198.51.100.1 80 {body}real_server 198.51.100.2 81 {body}}}\n"
    written = render(ServiceFiles(_services(text))).split("\n")
    assert ["port = 80" in line for line in written if "198.51.100." in line] == [False, True]


def test_what_a_service_says_for_its_servers_counts_for_a_checker_that_stood_in_another_one() -> None:
    block = "real_server 198.51.100.1 80 {\nTCP_CHECK {\n}\n}\n"
    services = [HEAD.format(address=f"192.0.2.{n}") + f"delay_loop {n}\nweight {n}\n{block}}}\n" for n in (3, 4)]
    reals = [service.reals[0] for service in _services("".join(services))]
    assert [(real.weight, real.checks[0].interval) for real in reals] == [(3, 3 * 10**9), (4, 4 * 10**9)]


def test_a_mistake_is_told_of_each_block_that_has_it_where_it_stands() -> None:
    block = "real_server 198.51.100.{} 80 {{\n  weight many\n  TCP_CHECK {{\n    connect_prot 80\n  }}\n}}\n"
    problems = read_text(f"{HEAD.format(address='192.0.2.1')}{block.format(1)}{block.format(2)}}}\n").problems
    assert [(found.line, found.column) for found in problems] == [(6, 10), (8, 5), (12, 10), (14, 5)]
    assert problems[0].text == problems[2].text
    assert problems[3].hint == 'Did you mean "connect_port"?'


def test_a_mistake_that_only_another_server_makes_of_the_same_block_is_told() -> None:
    body = "{\nTCP_CHECK {\nbindto 198.51.100.9\n}\nlvs_method TUN\n}\n"
    problems = read_text(
        f"{HEAD.format(address='192.0.2.1')}real_server 198.51.100.1 80 {body}real_server 2001:db8::1 80 {body}}}\n"
    ).problems
    assert [(found.line, found.column) for found in problems] == [(13, 8)]


def test_only_nat_changes_ports_whichever_server_comes_first() -> None:
    body = "{\nTCP_CHECK {\n}\nlvs_method DR\n}\n"
    text = f"{HEAD.format(address='192.0.2.1')}real_server 198.51.100.1 80 {body}real_server 198.51.100.2 81 {body}}}\n"
    assert [(found.line, found.column) for found in read_text(text).problems] == [(10, 26)]


def test_a_track_file_counts_only_below_it_in_blocks_that_are_alike() -> None:
    block = "{\nFILE_CHECK {\ntrack_file load\n}\n}\n"
    file = "track_file load {\nfile /run/load\n}\n"
    services = [f"{HEAD.format(address=f'192.0.2.{n}')}real_server 198.51.100.1 80 {block}}}\n" for n in (1, 2)]
    assert [len(service.reals[0].checks) for service in _services(file.join(services))] == [0, 1]
