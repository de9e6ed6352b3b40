"""The keywords of virtual servers and their checkers, which are checked and kept, and of blocks that have no effect."""

from __future__ import annotations

from .keepalived_keyword import ITEMS, Keyword, Words, flags, kept, lists, values

CHECKERS = [
    "TCP_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "MISC_CHECK",
    "PING_CHECK",
    "UDP_CHECK",
    "BFD_CHECK",
    "FILE_CHECK",
]

_SOCKET: Words = {
    **kept("connect_ip connect_port bindto bind_port bind_if fwmark connect_timeout", needs=1),
}
_RETRY: Words = {
    **kept("retry delay_before_retry warmup delay_loop", needs=1),
    **kept("alpha log_all_failures"),
}
_COMMON: Words = {**_SOCKET, **_RETRY}
_REGEX: Words = {
    **kept("path digest", needs=1),
    **kept("virtualhost status_code regex regex_options regex_min_offset regex_max_offset", needs=1, forgiven=True),
    **kept("regex_no_match regex_stack"),
}
_HTTP: Words = {
    **_COMMON,
    **kept("nb_get_retry", needs=1),
    **kept("http_protocol virtualhost", needs=1, forgiven=True),
    **kept("fast_recovery"),
    "url": Keyword(note="kept, not served yet", opens="url", later=True),
}

SERVICES: dict[str, Words] = {
    "virtual_server": {
        **kept("delay_loop lb_algo lvs_sched lb_kind lvs_method protocol persistence_granularity", needs=1),
        **kept("persistence_engine sorry_server quorum hysteresis", needs=1),
        **kept("quorum_up quorum_down retry delay_before_retry connect_timeout warmup weight ip_family", needs=1),
        **kept("virtualhost sorry_server_lvs_method snmp_name", needs=1, forgiven=True),
        **kept("persistence_timeout ops flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback hashed"),
        **kept("sorry_server_inhibit alpha omega ha_suspend inhibit_on_failure smtp_alert"),
        "real_server": Keyword(note="kept, not served yet", opens="real_server", needs=1, later=True),
    },
    "real_server": {
        **kept("weight lvs_method uthreshold lthreshold notify_up notify_down retry", needs=1),
        **kept("delay_before_retry warmup connect_timeout delay_loop", needs=1),
        **kept("virtualhost snmp_name", needs=1, forgiven=True),
        **kept("inhibit_on_failure smtp_alert alpha"),
        **{name: Keyword(note="kept, not served yet", opens=name, later=True) for name in CHECKERS},
    },
    "TCP_CHECK": _COMMON,
    "HTTP_GET": _HTTP,
    "SSL_GET": {**_HTTP, **kept("enable_sni")},
    "url": _REGEX,
    "SMTP_CHECK": {
        **_COMMON,
        **kept("helo_name", needs=1, forgiven=True),
        "host": Keyword(note="kept, not served yet", opens="host", later=True),
    },
    "host": _SOCKET,
    "DNS_CHECK": {**_COMMON, **kept("type name", needs=1)},
    "MISC_CHECK": {
        **_RETRY,
        **kept("misc_path user", needs=1, forgiven=True),
        **kept("misc_timeout", needs=1),
        **kept("misc_dynamic"),
    },
    "PING_CHECK": _COMMON,
    "UDP_CHECK": {
        **_COMMON,
        **kept("payload", needs=1, forgiven=True),
        **kept("min_reply_length max_reply_length", needs=1),
        **kept("require_reply"),
    },
    "BFD_CHECK": {**kept("name", needs=1, forgiven=True), **kept("alpha")},
    "FILE_CHECK": {**kept("track_file", needs=1), **kept("weight", needs=1, forgiven=True)},
    "SSL": kept("password ca certificate key", needs=1, forgiven=True),
    "bfd_instance": {
        **flags("neighbor_ip neighbour_ip passive"),
        **values("source_ip min_rx min_tx idle_tx multiplier ttl hoplimit max_hops weight"),
    },
    "garp_group": {
        **values("garp_interval gna_interval interface"),
        **lists("interfaces"),
    },
    "track_group": lists("group"),
}
"""By the name of the block, as ``CONTEXTS``."""

GROUP_ITEMS = f"{ITEMS}virtual_server_group"
