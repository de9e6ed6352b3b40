"""The names of the tables that virtual routers have in a native file; apart, so that who has none loads no more than this."""

from __future__ import annotations

TABLES = ("routing", "virtual_routers", "router_groups", "router_scripts", "router_files", "router_processes")
