"""Addresses that only programs of this machine can reach."""

import ipaddress

__all__ = ["is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or a number, is this machine and nobody else.

    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "127.evil.example", "0.0.0.0")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
