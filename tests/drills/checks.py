"""What may catch a tampering, each check by itself: is it caught?"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.bundle.checking import check
from cli.bundle.comparing import compare
from cli.bundle.exporting import export
from cli.story import NothingFound
from eventstore.checkpoint import Checkpoint, SigningRefused
from eventstore.errors import Tampered
from eventstore.log import Log
from eventstore.merkle import ProofError
from eventstore.model import Append, StreamAppend
from eventstore.note import format_note, parse_note, sign
from eventstore.proofs import prove_consistency
from eventstore.tlog_proof import ReceiptInvalid, TlogProof
from eventstore.trust_policy import read_trust_policy
from eventstore.verify import verify
from servicekit.signing import check_last_head
from servicekit.signing import sign as sign_head
from tests.drills.community import MORE, ORIGIN, SERVICE, SIZE, Community, entry
from tests.support.logs import BY_TEST, opened
from tests.support.messaging import plain_client

OK = 200
Positions = Sequence[int]
Caught = Callable[[Community, Positions], Coroutine[Any, Any, bool]]


@dataclass(frozen=True)
class Check:
    """One column of the table. `what` says what is done, and by whom."""

    name: str
    what: str
    caught: Caught


async def by_tables(community: Community, _: Positions) -> bool:
    report = await verify(community.place.log_config(SERVICE))
    return not report.ok


async def by_signed_head(community: Community, _: Positions) -> bool:
    report = await verify(
        community.place.log_config(SERVICE), log_key=community.signer.verifier_key, head_path=community.state / "head"
    )
    return any(problem.kind == "checkpoint" for problem in report.problems)


async def by_stream(community: Community, _: Positions) -> bool:
    async with plain_client(community.nats) as client:
        report = await verify(community.place.log_config(SERVICE), nats=client)
    return any(problem.kind == "stream" for problem in report.problems)


async def by_kept_head(community: Community, _: Positions) -> bool:
    report = await verify(
        community.place.log_config(SERVICE),
        log_key=community.signer.verifier_key,
        checkpoint=(community.taken / "checkpoint").read_bytes(),
    )
    return any(problem.kind == "checkpoint" for problem in report.problems)


async def by_receipt(community: Community, concerned: Positions) -> bool:
    """The holder asks to be shown the entry again, and holds the receipt against it."""
    connection = await community.place.connect(SERVICE)
    try:
        shown = [
            await connection.fetchval("SELECT body FROM ledger.events WHERE position = $1", position)
            for position in concerned
        ]
    finally:
        await connection.close()
    return not all(
        body is not None and receipt_proves(community, position, body)
        for position, body in zip(concerned, shown, strict=True)
    )


def receipt_proves(community: Community, position: int, body: bytes) -> bool:
    """Whether the receipt given out of this position proves these bytes (`verify-receipt`)."""
    text = (community.taken / f"{position}.tlog-proof").read_text(encoding="utf-8")
    try:
        TlogProof.parse(text).check(body, read_trust_policy(community.policy))
    except ReceiptInvalid:
        return False
    return True


async def by_bundle(community: Community, _: Positions) -> bool:
    try:
        bundle = await _exported(community, "bundle")
    except NothingFound:
        return True
    return not check(bundle, community.policy).ok


async def by_earlier_bundle(community: Community, _: Positions) -> bool:
    try:
        bundle = await _exported(community, "later")
    except NothingFound:
        return True
    return bool(compare(bundle, community.taken / "bundle"))


async def _exported(community: Community, name: str) -> Path:
    target = community.directory / name
    await export(community.place, community.policy, target, lambda *_: None)
    return target


async def go_on(community: Community) -> None:
    """The service takes what comes next, as if nothing had been done to its log."""
    entries = [entry(SIZE + 100 + number) for number in range(MORE)]
    async with opened(community.app) as log:
        await log.append(Append([StreamAppend("book-after", 0, entries)], BY_TEST))


async def by_signer(community: Community, _: Positions) -> bool:
    """The service starts, and signs what has come since."""
    try:
        async with opened(community.app) as log:
            await check_last_head(community.signer, log)
            await sign_head(community.signer, log)
    except (Tampered, ProofError, SigningRefused):
        return True
    return False


async def by_witness(community: Community, _: Positions) -> bool:
    """The head that the log has now is signed, whatever our signer says, and brought with the best proof there is."""
    kept = community.witness.last(ORIGIN)
    assert kept is not None
    seen = Checkpoint.parse(parse_note(kept).text).size
    try:
        async with opened(community.app) as log:
            head = await log.head()
            proof = await _best_proof(log, seen, head.size)
    except Tampered:
        return False  # it has no head to bring: the witness is not asked
    body = Checkpoint(ORIGIN, head.size, head.root).body()
    note = format_note(body, [sign(body, ORIGIN, community.signer.key)])
    answer = community.ask_witness(note, min(seen, head.size), proof)
    return answer.status != OK


async def _best_proof(log: Log, old_size: int, size: int) -> Sequence[bytes]:
    try:
        return await prove_consistency(log.pool, SERVICE, old_size, size) if size > old_size else ()
    except (Tampered, ProofError):
        return ()


CHECKS = (
    Check(
        "verify", "the tables against themselves: `chaoyangli verify`, NATS and the signed head left aside", by_tables
    ),
    Check("signed head", "the events against the last head signed, in its file: `chaoyangli verify`", by_signed_head),
    Check("stream", "the events against the stream, byte for byte: `chaoyangli verify`", by_stream),
    Check("kept head", "the events against a head that somebody kept: `chaoyangli verify --checkpoint`", by_kept_head),
    Check("receipt", "the entry as it is shown now against the receipt given out before: `verify-receipt`", by_receipt),
    Check("bundle", "a bundle taken afterwards, by a policy that asks for the witness: `audit verify`", by_bundle),
    Check("earlier bundle", "that bundle against one taken before: `audit verify --before`", by_earlier_bundle),
    Check("signer", "the service itself, when it starts and when it signs what came since", by_signer),
    Check("witness", "the witness, asked to cosign what came since", by_witness),
)
"""In the order of the table. The last two are asked after the service went on."""
SERVICE_GOES_ON_BEFORE = "signer"
