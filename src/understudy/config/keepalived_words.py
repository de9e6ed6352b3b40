"""Every keyword of keepalived.conf (2.2.7), what it opens, and what becomes of it: done, kept, or without effect and why.

The table of docs/keepalived.md is made from this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from .report import nearest, suggestion

ITEMS = "items of "
"""How the names of contexts begin whose lines are no keywords but items of a list."""


@dataclass(frozen=True, slots=True)
class Keyword:
    """``done``: it does what it says. Else ``note`` says why not (a warning), or ``later`` that it is kept. ``opens``: its block.

    ``needs``: how many words must follow; keepalived ends when they are missing.
    """

    done: bool = True
    note: str = ""
    opens: str = ""
    needs: int = 0
    later: bool = False
    may_stand_alone: bool = False


Words = dict[str, Keyword]


def _done(words: str, note: str = "", needs: int = 0) -> Words:
    return {word: Keyword(True, note, needs=needs) for word in words.split()}


def _flag(words: str, note: str = "") -> Words:
    return _done(words, note)


def _value(words: str, note: str = "") -> Words:
    return _done(words, note, needs=1)


def _without(words: str, why: str) -> Words:
    return {word: Keyword(False, why) for word in words.split()}


def _list(words: str, note: str = "") -> Words:
    return {word: Keyword(True, note, opens=f"{ITEMS}{word}") for word in words.split()}


def _later(words: str, opens: str = "") -> Words:
    return {word: Keyword(True, "kept, not served yet", opens, later=True) for word in words.split()}


_AUTO = "notification by mail is sent by the manager"
_SCHEDULING = "the pulse takes real-time priority by itself where the system permits it"
_BUFFERS = "kernel messages that were lost are noticed, and everything is read again"
_SNMP = "there is no SNMP agent; `understudy status --json` and the metrics say as much"
_OWN_FILES = "processes and files have names of our own"
_FIREWALL = "rules stand in a table of our own in nftables, whatever else the firewall is"
_CHECKS = "real servers are not checked yet"
_BFD = "there is no BFD"
_LINKBEAT = "the kernel tells of every carrier"

TOP: Words = {
    "global_defs": Keyword(opens="global_defs"),
    "vrrp_instance": Keyword(opens="vrrp_instance", needs=1),
    "vrrp_sync_group": Keyword(opens="vrrp_sync_group", needs=1),
    "vrrp_script": Keyword(opens="vrrp_script", needs=1),
    "vrrp_track_process": Keyword(opens="vrrp_track_process", needs=1),
    "track_file": Keyword(opens="track_file", needs=1),
    "vrrp_track_file": Keyword(note="the old name of track_file", opens="track_file", needs=1),
    "virtual_server": Keyword(note="kept, not served yet", opens="virtual_server", needs=1, later=True),
    "virtual_server_group": Keyword(
        note="kept, not served yet", opens=f"{ITEMS}virtual_server_group", needs=1, later=True
    ),
    "SSL": Keyword(note="kept, not served yet", opens="SSL", later=True),
    "bfd_instance": Keyword(False, _BFD, opens="bfd_instance", needs=1),
    "garp_group": Keyword(False, "vrrp_garp_interval counts for every interface", opens="garp_group"),
    "static_ipaddress": Keyword(
        False, "addresses that stay belong into the system's own network files", opens=f"{ITEMS}static_ipaddress"
    ),
    "static_routes": Keyword(
        False, "routes that stay belong into the system's own network files", opens=f"{ITEMS}static_routes"
    ),
    "static_rules": Keyword(
        False, "rules that stay belong into the system's own network files", opens=f"{ITEMS}static_rules"
    ),
    "track_group": Keyword(False, "it is for static addresses and routes", opens="track_group", needs=1),
    "linkbeat_interfaces": Keyword(False, _LINKBEAT, opens=f"{ITEMS}linkbeat_interfaces"),
    "interface_up_down_delays": Keyword(
        False, "a carrier counts as soon as the kernel tells of it", opens=f"{ITEMS}interface_up_down_delays"
    ),
    **_without("net_namespace net_namespace_ipvs", "start the daemon in that namespace (`ip netns exec`, or its unit)"),
    **_without("instance use_pid_dir child_wait_time config_copy_directory use_symlink_paths", _OWN_FILES),
    **_without("linkbeat_use_polling", _LINKBEAT),
}

GLOBALS: Words = {
    **_value("router_id", "the name of this machine in mails"),
    **_list("notification_email", "who gets mail"),
    **_value("notification_email_from smtp_server smtp_helo_name"),
    **_without("smtp_connect_timeout", "mail that cannot be sent is tried again, and delays nothing"),
    **_flag("smtp_alert smtp_alert_vrrp", "the default of `smtp_alert` in instances and groups"),
    **_without("smtp_alert_checker no_checker_emails checker_log_all_failures rs_init_notifies", _CHECKS),
    **_flag("no_email_faults"),
    **_value("script_user"),
    **_flag("enable_script_security"),
    **_value("vrrp_version"),
    **_flag("vrrp_strict vrrp_skip_check_adv_addr vrrp_check_unicast_src log_unknown_vrids"),
    **_value("vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat"),
    **_value("vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat vrrp_garp_interval vrrp_gna_interval"),
    **_flag("vrrp_min_garp", "one frame for each address, and no second burst"),
    **_without("vrrp_garp_extra_if", "frames leave from the address's own device"),
    **_value("vrrp_mcast_group4 vrrp_mcast_group6"),
    **_flag("vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert"),
    **_value("vrrp_down_timer_adverts vrrp_startup_delay"),
    **_value("notify_fifo notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script"),
    **_without("lvs_notify_fifo lvs_notify_fifo_script", _CHECKS),
    **_flag("vrrp_notify_priority_changes fifo_write_vrrp_states_on_reload"),
    **_without(
        "vrrp_iptables vrrp_ipsets nftables nftables_priority nftables_counters nftables_ifindex nftables_ipvs",
        _FIREWALL,
    ),
    **_without("nftables_ipvs_priority nftables_ipvs_start_fwmark", _FIREWALL),
    **_without("lvs_sync_daemon", "connections are not synchronised between directors yet"),
    **_without("lvs_timeouts lvs_flush lvs_flush_on_stop lvs_flush_onstop", "IPVS is not filled yet"),
    **_value("default_interface", "where an instance that names no interface is"),
    **_flag("dynamic_interfaces", "an interface that is missing is waited for"),
    **_without("disable_local_igmp", "the memberships of the interface are left as the kernel reports them"),
    **_value("vrrp_rt_priority", "for the pulse"),
    **_value("vrrp_priority", "for the pulse, where real-time priority is not permitted"),
    **_without(
        "max_auto_priority min_auto_priority_delay vrrp_no_swap vrrp_rlimit_rttime vrrp_rlimit_rtime", _SCHEDULING
    ),
    **_without("vrrp_cpu_affinity", "write CPUAffinity= into the daemon's unit"),
    **_without("checker_priority checker_no_swap checker_rt_priority checker_rlimit_rttime", _CHECKS),
    **_without("checker_rlimit_rtime checker_cpu_affinity", _CHECKS),
    **_without("bfd_priority bfd_no_swap bfd_rt_priority bfd_rlimit_rttime bfd_rlimit_rtime bfd_cpu_affinity", _BFD),
    **_value("startup_script startup_script_timeout shutdown_script shutdown_script_timeout"),
    **_without("process_names vrrp_process_name checker_process_name bfd_process_name process_name", _OWN_FILES),
    **_without("use_pid_dir instance umask data_use_instance config_save_dir tmp_config_directory", _OWN_FILES),
    **_without("enable_snmp_keepalived enable_snmp_vrrp enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2", _SNMP),
    **_without("enable_snmp_rfcv3 enable_traps snmp_socket", _SNMP),
    **_without("enable_dbus dbus_service_name", "there is no D-Bus interface; the control socket has all of it"),
    **_without("random_seed", "nothing that decides is random"),
    **_without(
        "reload_check_config reload_file reload_time_file reload_repeat", "a reload checks the file first, always"
    ),
    **_without("include_check", "an include that finds nothing is warned of, whatever this says"),
    **_value("vmac_prefix"),
    **_without("vmac_addr_prefix", "other MACs are given to single instances: use_vmac NAME MAC"),
    **_without("vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier process_monitor_rcv_bufs", _BUFFERS),
    **_without("process_monitor_rcv_bufs_force vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force", _BUFFERS),
    **_without("vrrp_netlink_monitor_rcv_bufs vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs", _BUFFERS),
    **_without(
        "lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force", _BUFFERS
    ),
    **_without("linkbeat_use_polling", _LINKBEAT),
    **_without("net_namespace net_namespace_ipvs", "start the daemon in that namespace (`ip netns exec`, or its unit)"),
}

NOTIFY: Words = _value("notify_master notify_backup notify_fault notify_stop notify")

INSTANCE: Words = {
    **_value("state", "counts for the address owner (priority 255) only, as there"),
    **_value("interface virtual_router_id priority advert_int version"),
    "authentication": Keyword(opens="authentication"),
    **_list("virtual_ipaddress virtual_ipaddress_excluded"),
    **_list("virtual_routes virtual_rules"),
    **_list("track_interface track_script track_process track_file"),
    "track_bfd": Keyword(False, _BFD, opens=f"{ITEMS}track_bfd"),
    **_flag("nopreempt preempt"),
    **_value("preempt_delay"),
    **NOTIFY,
    **_value("notify_deleted notify_master_rx_lower_pri"),
    **_flag("notify_priority_changes smtp_alert"),
    **_value("unicast_src_ip unicast_ttl mcast_src_ip mcast_dst_ip"),
    **_list("unicast_peer"),
    **_flag("check_unicast_src unicast_fault_no_peer old_unicast_checksum track_src_ip"),
    **_flag("use_vmac vmac_xmit_base use_ipvlan"),
    **_without("use_vmac_addr", "a virtual MAC for single addresses is not made: use_vmac for the whole instance is"),
    **_value("garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat"),
    **_value("garp_lower_prio_delay garp_lower_prio_repeat"),
    **_without("garp_extra_if", "frames leave from the address's own device"),
    **_flag("dont_track_primary accept no_accept strict_mode skip_check_adv_addr"),
    **_flag("lower_prio_no_advert higher_prio_send_advert"),
    **_value("down_timer_adverts"),
    **_flag("native_ipv6", "the family is known from the addresses; this word decides where they do not"),
    **_without("promote_secondaries", "addresses are added so that the kernel promotes none"),
    **_without("linkbeat_use_polling", _LINKBEAT),
    **_without("vrf", "put the interface into the VRF by the system's own network files"),
    **_without("kernel_rx_buf_size", _BUFFERS),
    **_without("debug", "`understudy history` has every decision"),
    **_value("lvs_sync_daemon_interface", "kept; the IPVS synchronisation is not started yet"),
}

SYNC_GROUP: Words = {
    **_list("group track_interface track_script track_process track_file"),
    "track_bfd": Keyword(False, _BFD, opens=f"{ITEMS}track_bfd"),
    **NOTIFY,
    **_flag("notify_priority_changes smtp_alert sync_group_tracking_weight"),
    **_flag("global_tracking", "old; the tracks of the members count as 2.2.7 has it"),
}

SCRIPT: Words = {
    **_value("script interval timeout weight rise fall user"),
    **_flag("init_fail"),
}
FILE: Words = {
    **_value("file weight"),
    **_flag("init_file"),
}
PROCESS: Words = {
    **_value("process weight quorum quorum_max delay terminate_delay fork_delay param_match"),
    **_flag("full_command"),
}
AUTHENTICATION: Words = _value("auth_type auth_pass")
"""Behind ``auth_pass`` stands a secret: no message quotes it."""

CONTEXTS: dict[str, Words] = {
    "top": TOP,
    "global_defs": GLOBALS,
    "vrrp_instance": INSTANCE,
    "authentication": AUTHENTICATION,
    "vrrp_sync_group": SYNC_GROUP,
    "vrrp_script": SCRIPT,
    "track_file": FILE,
    "vrrp_track_process": PROCESS,
}
"""The keywords that a block has, by the name of the block."""

_ELSEWHERE = {
    ("lvs_id", "global_defs"): 'It is the old name of "router_id".',
    ("garp_master_delay", "global_defs"): 'Write "vrrp_garp_master_delay", or put it into the instances.',
    ("nat_mask", "virtual_server"): "IPVS has no such mask any more: take it away.",
    ("nb_get_retry", "TCP_CHECK"): 'It belongs to HTTP_GET and SSL_GET: write "retry".',
    ("}", "top"): "A block ended too early above, or a brace is one too many.",
}


def hint_for(word: str, context: str) -> str:
    """What an unknown keyword was probably meant to be."""
    known = CONTEXTS.get(context, {})
    if (word, context) in _ELSEWHERE:
        return _ELSEWHERE[word, context]
    if word.lower() in known:
        return f'Keywords are in lower case: write "{word.lower()}".'
    if nearest(word, known) is not None:
        return suggestion(word, tuple(known), "")
    homes = [name for name, words in CONTEXTS.items() if word in words]
    return f'"{word}" belongs in {homes[0]}.' if homes and homes[0] != "top" else ""
