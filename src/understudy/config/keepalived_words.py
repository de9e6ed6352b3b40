"""Every keyword of keepalived.conf (2.2.7), what it opens, and what becomes of it: done, or without effect and why.

The table of docs/keepalived.md is made from this one.
"""

from __future__ import annotations

from .keepalived_keyword import ITEMS, Keyword, Words, flags, forgiving, lists, values, without
from .keepalived_service_words import PARTS, SERVICES
from .report import nearest, suggestion

_SCHEDULING = "the pulse takes real-time priority by itself where the system permits it"
_BUFFERS = "kernel messages that were lost are noticed, and everything is read again"
_SNMP = "there is no SNMP agent; `understudy status --json` and the metrics say as much"
_OWN_FILES = "processes and files have names of our own"
_FIREWALL = "rules stand in a table of our own in nftables, whatever else the firewall is"
_BALANCER = "real servers are checked by a process of ordinary priority"
_NO_FIFO = (
    "`understudy pool --watch` and `understudy history` tell of real servers; notify_up and notify_down run programs"
)
_BFD = "there is no BFD"
_LINKBEAT = "the kernel tells of every carrier"

TOP: Words = {
    "global_defs": Keyword(opens="global_defs"),
    "vrrp_instance": Keyword(opens="vrrp_instance", needs=1, forgiven=True),
    "vrrp_sync_group": Keyword(opens="vrrp_sync_group", needs=1, forgiven=True),
    "vrrp_script": Keyword(opens="vrrp_script", needs=1),
    "vrrp_track_process": Keyword(opens="vrrp_track_process", needs=1),
    "track_file": Keyword(opens="track_file", needs=1),
    "vrrp_track_file": Keyword(note="the old name of track_file", opens="track_file", needs=1),
    "virtual_server": Keyword(opens="virtual_server", needs=1),
    "virtual_server_group": Keyword(opens=f"{ITEMS}virtual_server_group", needs=1),
    "SSL": Keyword(opens="SSL"),
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
    "track_group": Keyword(False, "it is for static addresses and routes", opens="track_group", needs=1, forgiven=True),
    "linkbeat_interfaces": Keyword(False, _LINKBEAT, opens=f"{ITEMS}linkbeat_interfaces"),
    "interface_up_down_delays": Keyword(
        False, "a carrier counts as soon as the kernel tells of it", opens=f"{ITEMS}interface_up_down_delays"
    ),
    **without("net_namespace net_namespace_ipvs", "start the daemon in that namespace (`ip netns exec`, or its unit)"),
    **without("instance use_pid_dir", _OWN_FILES),
    **without("child_wait_time", _OWN_FILES, needs=1),
    **without("linkbeat_use_polling", _LINKBEAT),
}

GLOBALS: Words = {
    **forgiving("router_id", "the name of this machine in mails"),
    **lists("notification_email", "who gets mail"),
    **forgiving("notification_email_from"),
    **values("smtp_server"),
    **without("smtp_helo_name", "the mail program of the system says hello for itself"),
    **without("smtp_connect_timeout", "mail that cannot be sent delays nothing", needs=1),
    **flags("smtp_alert smtp_alert_vrrp", "the default of `smtp_alert` in instances and groups"),
    **flags("smtp_alert_checker", "the default of `smtp_alert` in real servers"),
    **flags("no_checker_emails", "mails tell of servers only, never of single checkers"),
    **flags("checker_log_all_failures"),
    **without("rs_init_notifies", "programs are told of changes, and a start is none"),
    **flags("no_email_faults"),
    **forgiving("script_user"),
    **flags("enable_script_security"),
    **values("vrrp_version"),
    **flags("vrrp_strict vrrp_skip_check_adv_addr vrrp_check_unicast_src log_unknown_vrids"),
    **values("vrrp_garp_master_delay vrrp_garp_master_repeat vrrp_garp_master_refresh vrrp_garp_master_refresh_repeat"),
    **values("vrrp_garp_lower_prio_delay vrrp_garp_lower_prio_repeat vrrp_garp_interval vrrp_gna_interval"),
    **flags("vrrp_min_garp", "one frame for each address, and no second burst"),
    **without("vrrp_garp_extra_if", "frames leave from the address's own device"),
    **values("vrrp_mcast_group4 vrrp_mcast_group6"),
    **flags("vrrp_lower_prio_no_advert vrrp_higher_prio_send_advert"),
    **values("vrrp_down_timer_adverts vrrp_startup_delay"),
    **forgiving("notify_fifo notify_fifo_script vrrp_notify_fifo vrrp_notify_fifo_script"),
    **without("lvs_notify_fifo lvs_notify_fifo_script", _NO_FIFO),
    **flags("vrrp_notify_priority_changes fifo_write_vrrp_states_on_reload"),
    **without(
        "vrrp_iptables vrrp_ipsets nftables nftables_counters nftables_ifindex nftables_ipvs",
        _FIREWALL,
    ),
    **without("nftables_priority nftables_ipvs_priority nftables_ipvs_start_fwmark", _FIREWALL, needs=1),
    **forgiving("lvs_sync_daemon", "for IPVS, which then serves where the kernel has it"),
    **forgiving("lvs_timeouts", "for IPVS"),
    **flags("lvs_flush lvs_flush_on_stop lvs_flush_onstop", "for IPVS; `VS` is what a stop does in any case"),
    **forgiving("default_interface", "where an instance that names no interface is"),
    **flags("dynamic_interfaces", "an interface that is missing is waited for"),
    **without("disable_local_igmp", "the memberships of the interface are left as the kernel reports them"),
    **forgiving("vrrp_rt_priority", "for the pulse"),
    **forgiving("vrrp_priority", "for the pulse, where real-time priority is not permitted"),
    **without("max_auto_priority min_auto_priority_delay vrrp_no_swap", _SCHEDULING),
    **without("vrrp_rlimit_rttime vrrp_rlimit_rtime", _SCHEDULING, needs=1),
    **without("vrrp_cpu_affinity", "write CPUAffinity= into the daemon's unit"),
    **without("checker_priority checker_no_swap checker_rt_priority checker_cpu_affinity", _BALANCER),
    **without("checker_rlimit_rttime checker_rlimit_rtime", _BALANCER, needs=1),
    **without("bfd_priority bfd_no_swap bfd_rt_priority bfd_cpu_affinity", _BFD),
    **without("bfd_rlimit_rttime bfd_rlimit_rtime", _BFD, needs=1),
    **forgiving("startup_script startup_script_timeout shutdown_script shutdown_script_timeout"),
    **without("process_names data_use_instance tmp_config_directory", _OWN_FILES),
    **without("vrrp_process_name checker_process_name bfd_process_name process_name", _OWN_FILES, needs=1),
    **without("umask config_save_dir", _OWN_FILES, needs=1),
    **without("enable_snmp_keepalived enable_snmp_vrrp enable_snmp_checker enable_snmp_rfc enable_snmp_rfcv2", _SNMP),
    **without("enable_snmp_rfcv3 enable_traps snmp_socket", _SNMP),
    **without("enable_dbus dbus_service_name", "there is no D-Bus interface; the control socket has all of it"),
    **without("random_seed", "nothing that decides is random", needs=1),
    **without(
        "reload_check_config reload_file reload_time_file reload_repeat", "a reload checks the file first, always"
    ),
    **flags("include_check", "counts for includes behind it; without it an include that finds nothing is a warning"),
    **values("vmac_prefix"),
    **without("vmac_addr_prefix", "other MACs are given to single instances: use_vmac NAME MAC", needs=1),
    **without("vrrp_rx_bufs_policy vrrp_rx_bufs_multiplier process_monitor_rcv_bufs", _BUFFERS),
    **without("process_monitor_rcv_bufs_force vrrp_netlink_cmd_rcv_bufs vrrp_netlink_cmd_rcv_bufs_force", _BUFFERS),
    **without("vrrp_netlink_monitor_rcv_bufs vrrp_netlink_monitor_rcv_bufs_force lvs_netlink_cmd_rcv_bufs", _BUFFERS),
    **without(
        "lvs_netlink_cmd_rcv_bufs_force lvs_netlink_monitor_rcv_bufs lvs_netlink_monitor_rcv_bufs_force", _BUFFERS
    ),
}

NOTIFY: Words = values("notify_master notify_backup notify_fault notify_stop notify")

INSTANCE: Words = {
    **values("state", "counts for the address owner (priority 255) only, as there"),
    **values("interface virtual_router_id priority advert_int version"),
    "authentication": Keyword(opens="authentication"),
    **lists("virtual_ipaddress virtual_ipaddress_excluded", "`use_vmac` behind an address has no effect"),
    **lists("virtual_routes virtual_rules", "what `check` understands of their words; none is watched (`no_track`)"),
    **lists("track_interface track_script track_process track_file"),
    "track_bfd": Keyword(False, _BFD, opens=f"{ITEMS}track_bfd"),
    **flags("nopreempt preempt"),
    **values("preempt_delay"),
    **NOTIFY,
    **forgiving("notify_deleted"),
    **values("notify_master_rx_lower_pri"),
    **flags("notify_priority_changes smtp_alert"),
    **values("unicast_src_ip unicast_ttl mcast_src_ip mcast_dst_ip"),
    **lists("unicast_peer"),
    **flags("check_unicast_src unicast_fault_no_peer track_src_ip"),
    **flags(
        "old_unicast_checksum",
        "`never` changes nothing: what is heard is taken in either form, and sent in the new one",
    ),
    **flags("use_vmac vmac_xmit_base"),
    **flags("use_ipvlan", "its address and mode have no effect: a bridging one, the address of the interface beneath"),
    **without("use_vmac_addr", "a virtual MAC for single addresses is not made: use_vmac for the whole instance is"),
    **values("garp_master_delay garp_master_repeat garp_master_refresh garp_master_refresh_repeat"),
    **values("garp_lower_prio_delay garp_lower_prio_repeat"),
    **without("garp_extra_if", "frames leave from the address's own device"),
    **flags("dont_track_primary strict_mode skip_check_adv_addr"),
    **flags(
        "accept no_accept", "by rules in a table of our own; the owner of an address (priority 255) always accepts"
    ),
    **flags("lower_prio_no_advert higher_prio_send_advert"),
    **values("down_timer_adverts"),
    **flags("native_ipv6", "the family is known from the addresses; this word decides where they do not"),
    **flags("promote_secondaries", "it is set in any case"),
    **without("linkbeat_use_polling", _LINKBEAT),
    **without("vrf", "put the interface into the VRF by the system's own network files", needs=1),
    **without("kernel_rx_buf_size", _BUFFERS),
    **without("debug", "`understudy history` has every decision", needs=1),
    **values("lvs_sync_daemon_interface", "the old form of lvs_sync_daemon"),
}

SYNC_GROUP: Words = {
    **lists("group track_interface track_script track_process track_file"),
    "track_bfd": Keyword(False, _BFD, opens=f"{ITEMS}track_bfd"),
    **NOTIFY,
    **flags("notify_priority_changes smtp_alert sync_group_tracking_weight"),
    **flags("global_tracking", "old; the tracks of the members count as 2.2.7 has it"),
}

SCRIPT: Words = {
    **forgiving("script"),
    **values("interval timeout weight rise fall user"),
    **flags("init_fail"),
}
FILE: Words = {
    **forgiving("file weight"),
    **flags("init_file"),
}
PROCESS: Words = {
    **values("process quorum quorum_max delay terminate_delay fork_delay"),
    **forgiving("weight param_match"),
    **flags("full_command"),
}
AUTHENTICATION: Words = values("auth_type auth_pass")
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
    **SERVICES,
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
    known = CONTEXTS[context]
    if (word, context) in _ELSEWHERE:
        return _ELSEWHERE[word, context]
    if word in PARTS:
        home = next(name for name, words in CONTEXTS.items() if word in words)
        where = "outside of all blocks" if home == "top" else f"in {home}"
        return (
            f'"{word}" belongs {where}: a brace above is missing, one too many, or of a block whose keyword is unknown.'
        )
    if word.lower() in known:
        return f'Keywords are in lower case: write "{word.lower()}".'
    if word.upper() in known:
        return f'Checkers are in capitals: write "{word.upper()}".'
    if nearest(word, known) is not None:
        return suggestion(word, tuple(known), "")
    homes = [name for name, words in CONTEXTS.items() if word in words]
    return f'"{word}" belongs in {homes[0]}.' if homes and homes[0] != "top" else ""
