"""Where things are unless somebody says otherwise. Imports nothing: programs that must start at once ask it, too."""

RUNTIME_DIR = "/run/understudy"
CONFIGURATION = "/etc/understudy/cluster.toml"
HEARTBEAT = "/etc/ha.d"
"""The folder with ha.cf, haresources and authkeys."""
