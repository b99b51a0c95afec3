"""PostgreSQL: its clock, its logins' rights, what was not heard, dead letters, what senders have to hand over."""

import time
from collections.abc import Mapping

import asyncpg

from cli.doctor.findings import Finding, bad, good, warning
from cli.doctor.rights import LOGINS, check_log, check_server
from cli.doctor.senders import senders
from cli.place import SERVICES, Place
from eventstore import dead_letters

SKEW_WARN_SECONDS, SKEW_BAD_SECONDS = 1.0, 5.0
LAG_WARN_EVENTS = 500


async def database(place: Place, sources: Mapping[str, list[str]]) -> tuple[list[Finding], str | None]:
    """Everything that PostgreSQL tells, and its version; `sources`: whom each service hears."""
    found: list[Finding] = []
    rights: list[Finding] = []
    sizes: dict[str, int] = {}
    letters: list[Finding] = []
    version: str | None = None
    for service in SERVICES:
        connection = await place.connect(service)
        try:
            if version is None:
                version = str(await connection.fetchval("SHOW server_version"))
                found.append(await _clock(connection))
                rights += await check_server(connection, SERVICES)
            rights += await check_log(connection, service, SERVICES)
            sizes[service] = int(await connection.fetchval(f"SELECT size FROM {service}.head"))  # noqa: S608 - a name
            letters += await _letters(connection, service)
        finally:
            await connection.close()
    found += rights or [good("roles", f"{len(SERVICES) * len(LOGINS)} logins can do no more than they should")]
    found += await _lags(place, sources, sizes)
    found += letters or [good("dead-letters", "none is open")]
    found += await senders(place)
    return found, version


def skew(check: str, whose: str, seconds: float) -> Finding:
    """How far a clock is from this machine's."""
    said = f"{whose} is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine"
    step = "let every machine keep time by NTP (`timedatectl`)"
    if abs(seconds) > SKEW_BAD_SECONDS:
        return bad(check, said, step)
    if abs(seconds) > SKEW_WARN_SECONDS:
        return warning(check, said, step)
    return good(check, f"{whose} agrees with this machine within {SKEW_WARN_SECONDS:.0f} s")


async def _clock(connection: asyncpg.Connection) -> Finding:
    before = time.time()
    theirs = (await connection.fetchval("SELECT clock_timestamp()")).timestamp()
    # The answer was made somewhere between: the benefit of the doubt goes to the clock.
    after = time.time()
    return skew("clock", "PostgreSQL's clock", theirs - before if theirs < before else max(0.0, theirs - after))


async def _lags(place: Place, sources: Mapping[str, list[str]], sizes: Mapping[str, int]) -> list[Finding]:
    found = []
    for service, heard in sources.items():
        connection = await place.connect(service)
        try:
            rows = await connection.fetch(f"SELECT source, position FROM {service}.heard")  # noqa: S608 - a name
        finally:
            await connection.close()
        positions = {row["source"]: row["position"] for row in rows}
        for source in heard:
            lag = sizes[source] - positions.get(source, 0)
            if lag > LAG_WARN_EVENTS:
                said = f"{service} has not heard the last {lag} events of {source}"
                found.append(warning("lag", said, "docs/operating/runbooks/consumer-lag.md"))
    return found or [good("lag", f"everybody has heard all but {LAG_WARN_EVENTS} events at most")]


async def _letters(connection: asyncpg.Connection, service: str) -> list[Finding]:
    found = []
    for letter in await dead_letters.letters(connection, service):
        said = f"{service} could not handle {letter.source}/{letter.position} ({letter.handler})"
        step = f"chaoyangli dead-letters show {letter.source} {letter.position} --by {service}"
        if letter.blocks:
            found.append(bad("dead-letters", f"{said}: it hears nothing more of {letter.source}", step))
        else:
            found.append(warning("dead-letters", said, step))
    return found
