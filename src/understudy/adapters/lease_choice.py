"""Which of the two ways the kernel keeps the leases on this machine."""

from __future__ import annotations

from ..model import Cluster
from . import kernel_lease_flat, kernel_lease_setup
from .address_lifetime import AddressLifetimeLeases, too_coarse
from .addresses import AddressBook
from .kernel_lease import KernelLeases, Leases


def open_leases(cluster: Cluster, book: AddressBook) -> tuple[Leases, tuple[str, ...]]:
    """Set up and open the best that the kernel offers, and warnings for people about what it lacks.

    Takes a few milliseconds; call it before the loop starts.
    """
    flat = cluster.routers is not None and len(cluster.groups) > kernel_lease_flat.MANY
    reason = kernel_lease_flat.setup(cluster) if flat else kernel_lease_setup.setup(cluster)
    if reason is None:
        try:
            leases = kernel_lease_flat.flat_leases(cluster) if flat else KernelLeases(cluster, kernel_lease_setup.setup)
            return leases, ()
        except OSError as error:
            reason = f"cannot open a netlink socket: {error.strerror}"
    warnings = [f"the lease is kept by address lifetimes only, because {reason}"]
    coarse = too_coarse(cluster)
    return AddressLifetimeLeases(cluster, book), tuple(warnings + ([coarse] if coarse else []))
