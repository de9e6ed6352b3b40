"""The keywords of virtual servers and their checkers, and of blocks that have no effect."""

from __future__ import annotations

from .keepalived_keyword import ITEMS, Keyword, Words, flags, forgiving, lists, values, without

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

_SNMP = "there is no SNMP agent"
_SOCKET: Words = {
    **values("connect_ip connect_port bindto bind_port bind_if fwmark connect_timeout"),
}
_RETRY: Words = {
    **values("retry delay_before_retry warmup delay_loop"),
    **flags("alpha log_all_failures"),
}
_COMMON: Words = {**_SOCKET, **_RETRY}
_REGEX: Words = {
    **values("path digest"),
    **forgiving("virtualhost status_code regex regex_options regex_min_offset regex_max_offset"),
    **flags("regex_no_match"),
    **flags("regex_stack", "Python's expressions need no stack of a given size"),
}
_HTTP: Words = {
    **_COMMON,
    **values("nb_get_retry"),
    **forgiving("http_protocol virtualhost"),
    **flags("fast_recovery", "in any case: all pages are asked without a pause"),
    "url": Keyword(opens="url"),
}

SERVICES: dict[str, Words] = {
    "virtual_server": {
        **values("delay_loop lb_algo lvs_sched lb_kind lvs_method protocol persistence_granularity"),
        **values("persistence_engine sorry_server quorum hysteresis"),
        **values("quorum_up quorum_down retry delay_before_retry connect_timeout warmup weight ip_family"),
        **forgiving("virtualhost sorry_server_lvs_method"),
        **without("snmp_name", _SNMP, needs=1),
        **flags("persistence_timeout ops flag-1 flag-2 flag-3 sh-port sh-fallback mh-port mh-fallback hashed"),
        **flags("sorry_server_inhibit alpha omega ha_suspend inhibit_on_failure"),
        **flags("smtp_alert", "mails tell of real servers; of the quorum, quorum_up and quorum_down can"),
        "real_server": Keyword(opens="real_server", needs=1),
    },
    "real_server": {
        **values("weight lvs_method uthreshold lthreshold notify_up notify_down retry"),
        **values("delay_before_retry warmup connect_timeout delay_loop"),
        **forgiving("virtualhost"),
        **without("snmp_name", _SNMP, needs=1),
        **flags("inhibit_on_failure smtp_alert alpha"),
        **{name: Keyword(opens=name) for name in CHECKERS if name != "BFD_CHECK"},
        "BFD_CHECK": Keyword(
            False, "there is no BFD, so the server counts as if its session were up", opens="BFD_CHECK"
        ),
    },
    "TCP_CHECK": _COMMON,
    "HTTP_GET": _HTTP,
    "SSL_GET": {**_HTTP, **flags("enable_sni")},
    "url": _REGEX,
    "SMTP_CHECK": {
        **_COMMON,
        **forgiving("helo_name"),
        "host": Keyword(opens="host"),
    },
    "host": _SOCKET,
    "DNS_CHECK": {**_COMMON, **values("type name")},
    "MISC_CHECK": {
        **_RETRY,
        **forgiving("misc_path user"),
        **values("misc_timeout"),
        **flags("misc_dynamic"),
    },
    "PING_CHECK": _COMMON,
    "UDP_CHECK": {
        **_COMMON,
        **forgiving("payload"),
        **values("min_reply_length max_reply_length"),
        **flags("require_reply"),
    },
    "BFD_CHECK": {**forgiving("name"), **flags("alpha")},
    "FILE_CHECK": {**values("track_file"), **forgiving("weight")},
    "SSL": {
        **forgiving("certificate key"),
        **without("ca", "as in keepalived, the certificates of servers are not verified", needs=1),
        **without("password", "a key that is encrypted cannot be used; keep it readable for root only", needs=1),
    },
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

BALANCED = frozenset(SERVICES) - {"bfd_instance", "garp_group", "track_group"}
"""The blocks of which real servers and their checkers are made: what is lost in them changes who is served, and how."""

COMMANDS = frozenset({"quorum_up", "quorum_down", "notify_up", "notify_down", "misc_path", "regex"})
"""Keywords of them that split their line as commands do, with both kinds of quotes and escapes."""

PARTS = {
    "virtual_server": "this virtual server",
    "virtual_server_group": "this group of addresses",
    "real_server": "this real server",
    "url": "this page",
    **dict.fromkeys(CHECKERS, "this checker"),
}
"""Blocks whose loss is an error wherever it happens, and what is lost with each."""
