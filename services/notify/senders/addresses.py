"""Which addresses a webhook may have: those of the public internet, looked at when connecting and not before.

A name is resolved once, every address it has is looked at, and the connection goes to one of these very addresses; so
a name that means something else a moment later (DNS rebinding) leads nowhere. TLS still asks for the name's
certificate. The special ranges are IANA's registries (RFC 6890), as `ipaddress` knows them, and those beside.
"""

import asyncio
import socket
import typing
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import httpcore

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_LEAD_ELSEWHERE = tuple(
    ip_network(each)
    for each in (
        "192.0.0.0/24",  # IETF protocols; not every Python's `ipaddress` knows all of it
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "2001::/23",  # IETF protocols, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation, RFC 9637
    )
)


class AddressRefused(Exception):
    """Nothing is sent to such an address."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is somebody's on the public internet.

    Not: loopback, private, link-local, shared (CGNAT), multicast, reserved, documentation; nor any IPv6 address that
    stands for an IPv4 one (mapped, NAT64, 6to4, Teredo), for it would lead round this question.
    """
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address not in _GLOBAL_UNICAST):
        return False
    if any(address in network for network in _LEAD_ELSEWHERE if network.version == address.version):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def check_url(url: str, *, private: bool) -> None:
    """Whether an address can be a webhook's, as far as its letters tell. Raises AddressRefused with the reason."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("it is no URL") from None
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise AddressRefused("it is not https")
    if not host or port == 0:
        raise AddressRefused("it names no host")
    if parts.username is not None or parts.password is not None:
        raise AddressRefused("it holds a user or a password")
    if "#" in url:
        raise AddressRefused("it has a fragment")
    try:
        literal = ip_address(host)
    except ValueError:
        return  # a name: what it stands for is looked at when connecting
    if not private and not is_public(literal):
        raise AddressRefused("it is not on the public internet")


async def resolve(host: str, port: int, *, private: bool) -> list[str]:
    """The addresses to connect to, in the resolver's order. One that is not public refuses the whole name.

    Raises AddressRefused, OSError.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    addresses = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
    if not private and not all(is_public(ip_address(address)) for address in addresses):
        raise AddressRefused("it is not on the public internet")
    return addresses


class Pinned(httpcore.AsyncNetworkBackend):
    """Connects to an address that was looked at, never to a name."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[typing.Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, look, connect. Raises AddressRefused, httpcore.ConnectError, httpcore.ConnectTimeout."""
        try:
            addresses = await resolve(host, port, private=self._private)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    async def connect_unix_socket(self, *_: typing.Any, **__: typing.Any) -> httpcore.AsyncNetworkStream:
        """Never: a webhook is not a file. Raises AddressRefused."""
        raise AddressRefused("it is a socket of this machine")

    async def sleep(self, seconds: float) -> None:
        """The pause between httpcore's own tries; it makes none here."""
        await self._inner.sleep(seconds)
