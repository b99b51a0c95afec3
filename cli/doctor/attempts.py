"""What NATS must refuse: tried for real, with messages that could do no harm if it did not.

A forged event carries a fence that no stream can meet; what would purge, delete or change names nothing that exists.
"""

import asyncio

import nats
import nats.errors

from cli.doctor.findings import Finding, bad, good
from cli.place import SERVICES, Place
from eventstore import streams
from eventstore.nats_api import API

SECONDS = 3.0
REFUSED_SECONDS, LOOK_SECONDS = 2.0, 0.02
FENCE = {"Nats-Expected-Stream": "NO-SUCH-STREAM", "Nats-Expected-Last-Sequence": str(2**53)}
"""No stream takes a message that asks for this."""
STEP = "give NATS the rights that `chaoyangli init` writes, and start it again"


async def check_nats_rights(place: Place) -> list[Finding]:
    """That no user may do what only others may, and that nobody comes in without a key."""
    found = await _nobody(place)
    for user in (*SERVICES, "auditor"):
        found += await _user(place, user)
    return found or [
        good("nats-rights", f"{len(SERVICES) + 1} users are refused what is not theirs; nobody else comes in")
    ]


async def _nobody(place: Place) -> list[Finding]:
    try:
        client = await nats.connect(
            place.nats_url, connect_timeout=2, max_reconnect_attempts=1, allow_reconnect=False, error_cb=_silent
        )
    except nats.errors.Error:
        return []
    await client.close()
    return [bad("nats-rights", "whoever reaches NATS comes in without a key", STEP)]


async def _silent(_: Exception) -> None:
    """A refusal is what is hoped for here; `connect` raises it as well."""


async def _user(place: Place, user: str) -> list[Finding]:
    refused: list[str] = []

    async def note(error: Exception) -> None:
        refused.append(str(error).lower())

    try:
        client = await nats.connect(**place.nats_arguments(user), error_cb=note)
    except nats.errors.Error as error:
        return [bad("nats-rights", f"NATS does not let {user} in: {error}", STEP)]
    try:
        tried = forbidden(place, user)
        for subject, payload in tried.items():
            headers = FENCE if subject.startswith(f"{place.community}.") else None
            await client.publish(subject, payload, headers=headers)
        await client.flush(int(SECONDS))
        # Refusals come a moment after the server has read what was sent.
        for _ in range(int(REFUSED_SECONDS / LOOK_SECONDS)):
            if not _let_through(tried, refused):
                break
            await asyncio.sleep(LOOK_SECONDS)
        left = _let_through(tried, refused)
    finally:
        await client.close()
    return [bad("nats-rights", f"{user} may publish to {subject}", STEP) for subject in left]


def forbidden(place: Place, user: str) -> dict[str, bytes]:
    """Subjects that this user must be refused, each with a payload that would change nothing."""
    tried: dict[str, bytes] = {}
    for service in SERVICES:
        stream = streams.stream_name(place.log_name(service))
        if service != user:
            tried[streams.subject(place.community, place.log_name(service), "Forged")] = b"{}"
        # Its own account's API, and what leads to the others'.
        for api in (API, place.streams_api):
            tried[f"{api}.STREAM.UPDATE.{stream}"] = b"not JSON"
            tried[f"{api}.STREAM.PURGE.{stream}"] = b'{"filter":"no.such.subject"}'
            tried[f"{api}.CONSUMER.DELETE.{stream}.no-such-durable"] = b""
    return tried


def _let_through(tried: dict[str, bytes], refused: list[str]) -> list[str]:
    return [subject for subject in tried if not any(f'"{subject.lower()}"' in text for text in refused)]
