"""notify's senders, tried without sending: their figures, what is late, and how each webhook stands."""

import os
from collections.abc import Iterator, Sequence

import asyncpg

from cli.doctor.findings import Finding, bad, good, warning
from cli.place import Place
from eventstore.deliveries import deliveries
from servicekit.policy import PolicyInvalid, policy_text

NOTICE_LATE_MINUTES = 60
PRIVATE = "CHAOYANGLI_WEBHOOK_PRIVATE"
_STOPPED = {
    "beyond_the_log": "the log is shorter than what was sent",
    "other_history": "the log is not the one that was sent",
    "no_address": "the vault has no address for it",
}


async def senders(place: Place) -> list[Finding]:
    """Every finding about what notify hands over; one good line when there is none."""
    found = list(_figures())
    connection = await place.connect("notify")
    try:
        found += await _notices(connection)
        count, lanes = await _webhooks(connection)
    finally:
        await connection.close()
    found += lanes
    if found:
        return found
    told = f"{count} webhooks enabled, none held up" if count else "no webhook"
    return [good("senders", f"inbox, console, list of calls; no gateway for SMS or mail; no notice is late; {told}")]


def _figures() -> Iterator[Finding]:
    """What notify would read at its next start, from this environment."""
    # Loads notify with all it needs, which no other command has to wait for.
    from services.notify.policy import POLICY

    try:
        POLICY.read(policy_text())
    except PolicyInvalid as error:
        yield bad("senders", f"notify would not start: {error}", "chaoyangli policy FILE says where it is wrong")
    private = os.environ.get(PRIVATE, "")
    if private not in {"", "refused", "allowed"}:
        yield bad("senders", f"notify would not start: {PRIVATE} is {private[:40]!r}", "leave it empty, or `refused`")
    elif private == "allowed":
        said = "webhooks may be on private addresses and speak plain http"
        yield warning("senders", said, f"leave {PRIVATE} empty, unless this is a laptop")


async def _notices(connection: asyncpg.Connection) -> list[Finding]:
    late = await connection.fetchval(
        """SELECT count(*) FROM notify_read.notices
           WHERE state = 'QUEUED' AND NOT by_phone AND due_at < now() - make_interval(mins => $1)""",
        NOTICE_LATE_MINUTES,
    )
    if not late:
        return []
    said = f"{late} notices are due for more than {NOTICE_LATE_MINUTES} minutes and not handed over"
    return [warning("senders", said, "see that notify runs, and what its log says of channels")]


async def _webhooks(connection: asyncpg.Connection) -> tuple[int, Sequence[Finding]]:
    """How many are enabled, and those whose events do not arrive."""
    enabled = {
        row["webhook_id"]
        for row in await connection.fetch("SELECT webhook_id FROM notify_read.webhooks WHERE state = 'ENABLED'")
    }
    found = []
    for place in await deliveries(connection, "notify"):
        if place.receiver not in enabled or place.reason_code is None:
            continue
        lane = f"webhook {place.receiver} gets no events of {place.source} after {place.position}"
        if place.reason_code in _STOPPED:
            step = f"docs/webhooks.md says what {place.reason_code} asks for"
            found.append(bad("senders", f"{lane}: {_STOPPED[place.reason_code]}", step))
        else:
            said = f"{lane}: {place.reason_code}, {place.failures} tries"
            found.append(warning("senders", said, f"chaoyangli webhooks test {place.receiver} --actor …"))
    return len(enabled), found
