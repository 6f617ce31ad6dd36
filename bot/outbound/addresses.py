"""Decides which IP addresses may be called: public ones, and those in a network that the operator allows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Forms of IPv6 that a gateway or this machine turns into the IPv4 address inside: the network, and the bits behind the
# address. NAT64 (RFC 6052, 8215), IPv4-mapped and IPv4-compatible (RFC 4291), translated (RFC 2765), 6to4 (RFC 3056).
_EMBEDDINGS: Final = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 0),
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)
_TEREDO: Final = ipaddress.IPv6Network("2001::/32")
_SITE_LOCAL: Final = ipaddress.IPv6Network("fec0::/10")
# Cloud services that answer inside a virtual machine at an address that looks public.
_CLOUD_SERVICES: Final = (
    ipaddress.IPv4Network("168.63.129.16/32"),  # Azure: agent, DNS, DHCP
    ipaddress.IPv4Network("192.0.0.192/32"),  # Oracle: metadata, older images
)


def may_be_called(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether a connection to the address may be opened. Every address embedded in it has to be allowed too."""
    return all(_is_public(one) or any(one in network for network in allowed) for one in _meant(address))


def _meant(address: Address) -> Iterator[Address]:
    """Returns the addresses that it may lead to: itself, or those that are embedded in it."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    found = list(_embedded(address))
    # These forms are only another spelling of an IPv4 address.
    yield from found or [address]


def _embedded(address: ipaddress.IPv6Address) -> Iterator[Address]:
    number = int(address)
    if number in (0, 1):  # the unspecified address and loopback are no IPv4 addresses
        return
    for network, behind in _EMBEDDINGS:
        if address in network:
            yield ipaddress.IPv4Address((number >> behind) & 0xFFFFFFFF)
    if address in _TEREDO:
        yield ipaddress.IPv4Address((number >> 64) & 0xFFFFFFFF)  # the server
        yield ipaddress.IPv4Address((number & 0xFFFFFFFF) ^ 0xFFFFFFFF)  # the client
    if (number >> 32) & 0xFDFFFFFF == 0x5EFE and not address.is_loopback:  # ISATAP (RFC 5214)
        yield address
        yield ipaddress.IPv4Address(number & 0xFFFFFFFF)


def _is_public(address: Address) -> bool:
    if address.is_multicast or address.is_reserved or address in _SITE_LOCAL:
        return False
    return address.is_global and not any(address in network for network in _CLOUD_SERVICES)
