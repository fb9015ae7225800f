"""Where a request comes from: the peer, or what trusted proxies say of it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

UNKNOWN = "unknown"
LOCAL: Sequence[Network] = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def client_address(peer: str | None, forwarded_for: str | None, trusted: Sequence[Network]) -> str:
    """The client's address, as text.

    `X-Forwarded-For` grows to the right, so it is read from there, hop by hop, for as long as who vouches for
    a hop is trusted. What an untrusted peer claims counts for nothing.
    """
    address = _parse(peer)
    if address is None:
        return UNKNOWN
    for hop in reversed((forwarded_for or "").split(",")):
        if not _is_in(address, trusted):
            break
        claimed = _parse(hop.strip())
        if claimed is None:
            break
        address = claimed
    return str(address)


def is_trusted(peer: str | None, trusted: Sequence[Network]) -> bool:
    """Whether what this peer says of a request's origin counts."""
    address = _parse(peer)
    return address is not None and _is_in(address, trusted)


def throttle_key(address: str) -> str:
    """What to count uses by: an IPv6 customer has a /64 of addresses, so those are one."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return address


def is_local(address: str) -> bool:
    """Whether it is an address of this machine or of a private network (RFC 1918, 4193, 3927, 4291)."""
    parsed = _parse(address)
    return parsed is not None and _is_in(parsed, LOCAL)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _parse(text: str | None) -> Address | None:
    """An address without zone; an IPv4 address mapped into IPv6 is that IPv4 address."""
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
