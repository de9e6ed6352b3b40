"""The pretend world: the core of the daemon, run on virtual time against pretend machines and a pretend network."""
