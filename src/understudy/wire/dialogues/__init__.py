"""Dialogues with real servers: one state machine a protocol, without sockets or clocks."""
