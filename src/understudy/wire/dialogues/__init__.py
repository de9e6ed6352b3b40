"""Protocols of services, asked as a client would, each a state machine without IO. ``shape`` says how they are driven."""
