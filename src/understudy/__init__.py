"""Understudy keeps a service running on a small group of Linux machines."""

__version__ = "0.1.0"
