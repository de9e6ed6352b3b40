"""Real daemons in network namespaces, with switches to pull; the demonstration and the benchmark stand on it.

``inside`` makes a private world (namespaces that end with the process), ``netns`` builds machines and networks in it,
``client`` and ``observer`` watch from outside the cluster, ``stage`` joins them to a scene, ``play`` runs a list of faults,
``bench`` measures. Nothing here is imported by the daemon.
"""
