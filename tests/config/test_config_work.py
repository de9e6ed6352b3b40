"""Ten thousand real servers: what reading and writing one of them takes, in calls of functions, for each start waits for it."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from understudy.config.keepalived import read_keepalived
from understudy.config.keepalived_expand import Source
from understudy.config.service_copy import ServiceCopy, read_copy, write_copy
from understudy.config.services_render import render
from understudy.lab.farm_trial import FarmSpec, keepalived_conf
from work import calls_of

SERVERS = 500
READ_CALLS, WRITTEN_CALLS, TAKEN_CALLS = 80, 32, 22
"""Of one server with its check, eight lines, where five servers of each service are alike: 68 to read it, 26 to write it, 17 to
take up the copy. When each was read and written word by word it was 215, 49 and 34.
"""


def test_a_server_of_ten_thousand_is_little_work() -> None:
    source = Source("keepalived.conf", keepalived_conf(FarmSpec("farm", servers=SERVERS, interval=10.0)))
    files = read_keepalived(source).files
    assert files is not None
    services = files.services
    assert services is not None
    assert sum(len(service.reals) for service in services.services) == SERVERS
    assert calls_of(lambda: read_keepalived(source)) < READ_CALLS * SERVERS
    assert calls_of(lambda: render(services)) < WRITTEN_CALLS * SERVERS
    text = write_copy(ServiceCopy(services))
    assert read_copy(text).files == services  # and the ways to read each kind are known now
    assert calls_of(lambda: read_copy(text)) < TAKEN_CALLS * SERVERS


def test_servers_that_differ_in_a_line_share_their_checks() -> None:
    """Of each 127 calls, and 157 when no check is like another; 267 and 251 when nothing was known of the former ones."""
    text = keepalived_conf(FarmSpec("farm", servers=SERVERS, interval=10.0))
    for line, limit in ((' weight 1\n notify_down "/bin/told {}"\n', 150), (" connect_timeout 3\n warmup {}\n", 180)):
        before = line.partition("\n")[0] + "\n"
        first, *rest = text.split(before)
        other = first + "".join(f"{line.format(number)}{part}" for number, part in enumerate(rest))
        source = Source("keepalived.conf", other)
        assert calls_of(partial(read_keepalived, source)) < limit * SERVERS


def test_the_balancer_starts_without_the_words_of_clusters_and_virtual_routers() -> None:
    """To make their classes is a quarter of what its imports take, and it has to be back at once."""
    code = "import sys, understudy.balancer.__main__; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    others = {"model", "vrrp_files", "probes", "messages", "events", "effects"}
    assert not {f"understudy.{name}" for name in others} & set(done.stdout.split())
