"""Decide which network addresses a server of ours may be sent to.

`ipaddress.is_global` alone is not enough: on Python 3.11 it calls NAT64 and 6to4 wrappings of
127.0.0.1, site-local IPv6, all multicast and a cloud's metadata address global.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address

Address = IPv4Address | IPv6Address
#: Turns a host and port into the addresses to connect to, as text.
Resolver = Callable[[str, int], Awaitable[list[str]]]

#: More answers than this to one name look-up are refused: nobody honest needs them.
MAX_ADDRESSES = 32

_DENIED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is a cloud's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's platform address
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, and the old IPv4-compatible form
        "64:ff9b:1::/48",  # local-use NAT64
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",  # 6to4: given up, and it carries any IPv4 address
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
_LOW_32 = 0xFFFFFFFF


def inner_addresses(address: IPv6Address) -> list[IPv4Address]:
    """Return every IPv4 address that an IPv6 address carries inside."""
    value, found = int(address), []
    if address.ipv4_mapped is not None:
        found.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if address in _NAT64:
        found.append(IPv4Address(value & _LOW_32))
    if (value >> 32) & _LOW_32 in _ISATAP:
        found.append(IPv4Address(value & _LOW_32))
    return found


def is_public(text: str) -> bool:
    """Tell whether an address belongs to the public Internet, in whatever it is wrapped."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    candidates: list[Address] = [address]
    if isinstance(address, IPv6Address):
        candidates += inner_addresses(address)
        if address.ipv4_mapped is not None:
            # The wrapping itself is not global; what it stands for decides.
            candidates = [address.ipv4_mapped]
    return all(_is_public(candidate) for candidate in candidates)


def _is_public(address: Address) -> bool:
    if any(address.version == net.version and address in net for net in _DENIED):
        return False
    if isinstance(address, IPv6Address):
        # All that was ever given out; NAT64 is how an IPv6-only host reaches IPv4.
        return address in _GLOBAL_UNICAST or address in _NAT64
    return address.is_global


async def resolve(host: str, port: int) -> list[str]:
    """Look a host up with the system's resolver.

    :raises OSError: if the name is unknown or the resolver fails.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
