"""Virtual servers with blocks on one line: which of them keepalived 2.2.7 reads, and what it loses of the others."""

from __future__ import annotations

HEAD = "virtual_server 192.0.2.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\n"
SECOND = "real_server 192.0.2.12 80 { TCP_CHECK { connect_timeout 3 } }\n}\n"

READ = [
    f"real_server 192.0.2.11 80 {{ TCP_CHECK {{ connect_timeout 3 }} PING_CHECK {{}} weight 3 }} {SECOND}",
    f"real_server 192.0.2.11 80 {{ TCP_CHECK {{ connect_timeout 3 }} TCP_CHECK {{ }} weight 3 }}\n{SECOND}",
    f"real_server 192.0.2.11 80{{TCP_CHECK{{connect_timeout 3}}PING_CHECK{{}}weight 3}}\n{SECOND}",
    f"real_server 192.0.2.11 80 {{ weight 3\nTCP_CHECK {{ connect_timeout 3 }} PING_CHECK {{ }} }}\n{SECOND}",
    f"real_server 192.0.2.11 80\n{{ weight 3\nTCP_CHECK\n{{ }} PING_CHECK {{}}\n}} {SECOND}",
    f"real_server 192.0.2.11 80 {{ HTTP_GET {{ url {{ path / }} url {{ path /b }} }} TCP_CHECK {{ }} weight 3 }} # {{\n{SECOND}",
]
"""Two real servers: the first with two checkers and weight 3, the second with one."""

LOST = [
    (
        f"real_server 192.0.2.11 80 {{ weight 1 TCP_CHECK {{ connect_timeout 3 }} }}\n{SECOND}",
        [
            (1, 38, "TCP_CHECK", "this checker"),
            (2, 1, "real_server", "this real server 192.0.2.12 80"),
            (2, 29, "TCP_CHECK", "this checker"),
        ],
    ),
    (
        f"real_server 192.0.2.11 80 {{ weight 1 retry 3 }}\n{SECOND}",
        [(1, 38, "retry", "this setting")],
    ),
    (
        f"real_server 192.0.2.11 80 {{ alpha retry 3 }}\n{SECOND}",
        [(1, 35, "retry", "this setting")],
    ),
    (
        f"real_server 192.0.2.11 80 weight 5 {{ TCP_CHECK {{ }} }}\n{SECOND}",
        [(1, 27, "weight", "this setting")],
    ),
    (
        f"real_server 192.0.2.11 80 TCP_CHECK {{ connect_timeout 3 }}\n{SECOND}",
        [(1, 27, "TCP_CHECK", "this checker")],
    ),
    (
        f"real_server 192.0.2.11 80 {{ HTTP_GET {{ url {{ path / status_code 200 }} }} }}\n{SECOND}",
        [(1, 53, "status_code", "this setting")],
    ),
    (
        f'real_server 192.0.2.11 80 {{ notify_up "/bin/up" TCP_CHECK {{ }} }} }}\n{SECOND}',
        [
            (1, 49, "TCP_CHECK", "this checker"),
            (2, 1, "real_server", "this real server 192.0.2.12 80"),
            (2, 29, "TCP_CHECK", "this checker"),
        ],
    ),
    (
        f"real_server 192.0.2.11 80 {{ TCP_CHECK {{ connect_timeout 3 # }} }}\n}}\n{SECOND}",
        [(3, 1, "real_server", "this real server 192.0.2.12 80")],
    ),
    (
        f"real_server 192.0.2.11 80 {{ tcp_check {{ connect_timeout 3 }} }}\n{SECOND}",
        [
            (1, 29, "tcp_check", "its block"),
            (2, 1, "real_server", "this real server 192.0.2.12 80"),
            (2, 29, "TCP_CHECK", "this checker"),
        ],
    ),
    (
        f"quorum 1 sorry_server 192.0.2.9 80\nweight 1 real_server 192.0.2.11 80 {{\n}}\n{SECOND}",
        [
            (1, 10, "sorry_server", "this setting"),
            (2, 10, "real_server", "this real server"),
            (4, 1, "real_server", "this real server 192.0.2.12 80"),
            (4, 29, "TCP_CHECK", "this checker"),
        ],
    ),
]
"""What stands behind the head, and each loss: line, column, keyword, and what is lost with it."""


def whole(lines: str) -> str:
    """A file with these lines in and behind its virtual server."""
    return HEAD + lines
