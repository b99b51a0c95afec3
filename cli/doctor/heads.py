"""Signed heads: how old the last one is, whether others can read it, and who witnesses it."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cli.doctor.findings import Finding, bad, good, warning
from cli.place import SERVICES, Place
from cli.recovery.heads import signer_of
from eventstore.checkpoint import Checkpoint, HeadUnreadable
from eventstore.note import NoteError, open_note, parse_note
from eventstore.trust_policy import TrustPolicy
from servicekit.publishing import WITNESSES_FILE, cosigners, read_published, read_witnesses

SIGNED_LATE = timedelta(seconds=60)
PUBLISHED_LATE = timedelta(minutes=10)
COSIGNED_LATE = timedelta(hours=26)
"""A log that does not grow gets no new cosignature; the demo's and a village's days do not pass without an event."""


async def heads(place: Place) -> list[Finding]:
    """Every log's signer and published head."""
    found: list[Finding] = []
    for service in SERVICES:
        found += await _signed(place, service)
    if not found:
        found = [good("signer", f"{len(SERVICES)} heads are signed up to their logs")]
    return [*found, *witnesses(place)]


async def _signed(place: Place, service: str) -> list[Finding]:
    signer = signer_of(place, service)
    connection = await place.connect(service)
    try:
        size = int(await connection.fetchval(f"SELECT size FROM {service}.head"))  # noqa: S608 - a service's name
        try:
            last = signer.last_signed()
        except HeadUnreadable as error:
            return [bad("signer", f"{service}: {error}", f"chaoyangli checkpoint adopt {service} …")]
        if last is None:
            if not size:
                return []
            step = f"chaoyangli checkpoint adopt {service} …, with a head that somebody kept"
            return [bad("signer", f"{service} has {size} events and no signed head", step)]
        if last.size > size:
            said = f"{service} has {size} events, its signed head {last.size}"
            return [bad("signer", said, f"chaoyangli recover {service}")]
        found = []
        for check, reached, patience in (
            ("signer", last.size, SIGNED_LATE),
            ("published", _published_size(place, service), PUBLISHED_LATE),
        ):
            if reached is None or reached >= size:
                continue
            since = await connection.fetchval(
                f"SELECT recorded_at FROM {service}.events WHERE position = $1",  # noqa: S608 - a service's name
                reached + 1,
            )
            age = datetime.now(UTC) - since
            if age > patience:
                word = "signed" if check == "signer" else "published"
                said = f"{service}: event {reached + 1} is not {word} for {age.total_seconds() / 60:.0f} min"
                found.append(bad(check, said, "docs/operating/runbooks/signer-stopped.md"))
        return found
    finally:
        await connection.close()


def _published_size(place: Place, service: str) -> int | None:
    text = read_published(place.state_dir / service / "published")
    return None if text is None else Checkpoint.parse(parse_note(text).text).size


def named_witnesses(place: Place) -> TrustPolicy:
    """Whom this place asks for cosignatures. Raises WitnessesUnreadable."""
    if place.data is not None:
        path = place.data / WITNESSES_FILE
        return read_witnesses(path if path.exists() else None)
    named = os.environ.get("CHAOYANGLI_WITNESSES")
    return read_witnesses(Path(named) if named else None)


def witnesses(place: Place, now: datetime | None = None) -> Iterable[Finding]:
    """Whether each published head has enough cosignatures, and how old they are."""
    policy = named_witnesses(place)
    if not policy.witnesses:
        step = "ask somebody to be one, and name them: docs/auditing.md#a-witness"
        return [warning("witness", "nobody else keeps our heads: 尚无外部见证", step)]
    found: list[Finding] = []
    for service in SERVICES:
        text = read_published(place.state_dir / service / "published")
        if text is None:
            continue
        signed = cosigners(text, policy)
        if not policy.satisfied(signed):
            missing = ", ".join(one.name for one in policy.witnesses if one.key not in signed)
            said = f"{service}: too few witnesses: {missing} did not cosign"
            found.append(bad("witness", said, "docs/operating/runbooks/witness-missing.md"))
            continue
        for witness in policy.witnesses:
            try:
                stamp = open_note(text, [witness.key]).verified[0].timestamp
            except NoteError:
                said = f"{service}: {witness.name} did not cosign, the others are enough"
                found.append(warning("witness", said, "docs/operating/runbooks/witness-missing.md"))
                continue
            age = (now or datetime.now(UTC)) - datetime.fromtimestamp(stamp or 0, UTC)
            if age > COSIGNED_LATE:
                hours = age.total_seconds() / 3600
                said = f"{service}: {witness.name} cosigned last {hours:.0f} h ago"
                found.append(warning("witness", said, "nothing, if nothing was recorded since; else ask its keeper"))
    return found or [good("witness", f"{len(policy.witnesses)} witnesses have cosigned every published head")]
