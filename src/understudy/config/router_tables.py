"""The names of the tables of virtual routers and services; apart, so that who has none loads no more than this."""

from __future__ import annotations

TABLES = ("routing", "virtual_routers", "router_groups", "router_scripts", "router_files", "router_processes")
SERVICE_TABLES = ("services", "balancing")
