"""A real Apache httpd for the machines of a scene: its configuration and its two pages.

``/`` comes from a directory that all machines see (as from a file server) and is "served from the cluster";
``/node.html`` lies on each machine itself and names it. The configuration has the same path everywhere, so that the
cluster's file can be the same on all.
"""

from __future__ import annotations

import os

from .inside import BASE
from .netns import LabError, Machine

DIRECTORY = "/run/site"
"""On each machine: its own page, httpd's configuration, its process-id file and its log."""

SHARED = f"{BASE}/site"
"""What every machine sees."""

START = f"{DIRECTORY}/start"
"""The program that a command resource runs to have httpd in the foreground."""

_PROGRAMS = ("/usr/sbin/apache2", "/usr/sbin/httpd")
_MODULES = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/lib/httpd/modules")
_NOBODY = 65534

_CONFIGURATION = """\
ServerRoot "{directory}"
ServerName {name}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule dir_module {modules}/mod_dir.so
LoadModule alias_module {modules}/mod_alias.so
LoadModule mime_module {modules}/mod_mime.so
TypesConfig /dev/null
AddType text/html .html
{identity}
Listen 80
PidFile {directory}/httpd.pid
DefaultRuntimeDir {directory}
Mutex file:{directory} default
ErrorLog {directory}/error.log
DocumentRoot "{shared}"
DirectoryIndex index.html
Alias /node.html "{directory}/node.html"
StartServers 1
ServerLimit 2
ThreadsPerChild 16
MaxRequestWorkers 32
MinSpareThreads 4
MaxSpareThreads 32
"""


def shared_page() -> None:
    """Write the page that every machine serves. Call once, in the director."""
    os.makedirs(SHARED, exist_ok=True)
    with open(f"{SHARED}/index.html", "w", encoding="utf-8") as file:
        file.write("<html><body><h1>Served from the cluster</h1></body></html>\n")


def furnish(machine: Machine) -> None:
    """Put httpd's files on a machine that has power. Raises LabError when httpd is not installed."""
    program = next((path for path in _PROGRAMS if os.access(path, os.X_OK)), None)
    modules = next((path for path in _MODULES if os.path.isdir(path)), None)
    if program is None or modules is None:
        raise LabError("Apache httpd is not installed", "as root: apt-get install apache2 (its service need not run)")
    command = f"{program} -DFOREGROUND -f {DIRECTORY}/httpd.conf"
    alone = _one_user_only()
    if alone:
        # With one user id in the namespace httpd cannot drop root, and it refuses to serve as root: it gets a user
        # namespace of its own in which it is nobody, and port 80 is opened to everybody on this machine.
        command = f"unshare --user --map-user={_NOBODY} --map-group={_NOBODY} {command}"
        machine.run(["sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start"])
    identity = "" if alone else f"User #{_NOBODY}\nGroup #{_NOBODY}"
    files = {
        "node.html": f"<html><body><h1>Served from node {machine.name}</h1></body></html>\n",
        "httpd.conf": _CONFIGURATION.format(
            directory=DIRECTORY, name=machine.name, modules=modules, shared=SHARED, identity=identity
        ),
        "start": f"#!/bin/sh\nexec {command}\n",
    }
    machine.run(["mkdir", "-p", DIRECTORY])
    for name, text in files.items():
        machine.run(["sh", "-c", f"cat > {DIRECTORY}/{name}"], text)
    machine.run(["chmod", "755", START])


def _one_user_only() -> bool:
    """Whether the director's user namespace maps a single user id."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        spans = [int(line.split()[2]) for line in file]
    return sum(spans) == 1
