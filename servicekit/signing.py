"""The signer's task: a new signed head when the tree grew, and the check of the last one before anything starts."""

import asyncio
from collections.abc import Sequence

import structlog

from eventstore.checkpoint import ForkRefused, Signer, SignerBusy
from eventstore.errors import Tampered
from eventstore.log import Log
from eventstore.origins import check_generation
from eventstore.proofs import prove_consistency, root_at
from servicekit.log_keys import read_log_keys
from servicekit.metrics import Metrics
from servicekit.settings import ServiceSettings

INTERVAL_SECONDS = 1.0
PROOF_SECONDS = 20.0

_log = structlog.get_logger("servicekit.signing")


def make_signer(settings: ServiceSettings) -> Signer:
    """The signer of this service's log, with the key to follow if there is one. Raises KeyFileError."""
    settings.head_path.parent.mkdir(parents=True, exist_ok=True)
    return read_log_keys(settings.key_files).signer(settings.head_path)


async def check_last_head(signer: Signer, log: Log) -> None:
    """Compare the log with its origin and the last head signed, before commands are accepted. Signs an empty log.

    Raises Tampered when the log is shorter than what was signed (an old copy was put back: restore the tail first) or
    holds something else there. A missing file prevents no command: only signing refuses then, until a head is adopted.
    """
    await check_generation(log.pool, log.community, log.service, log.config.generation)
    head = await log.head()
    last = await asyncio.to_thread(signer.last_signed)
    if last is None:
        if head.size == 0:
            await sign(signer, log)
        return
    if head.size < last.size:
        raise Tampered(
            f"the log has {head.size} events, its last signed head {last.size}: restore the missing tail first,"
            f" by `chaoyangli recover {log.service}`",
            head.size + 1,
        )
    if last.size and await root_at(log.pool, log.config.schema, last.size) != last.root:
        raise Tampered(f"the first {last.size} events do not hash to the last signed head")
    # Since a key changed the head may lack a signature, and a log that does not grow would never get it.
    await asyncio.to_thread(signer.sign_again)


async def sign(signer: Signer, log: Log) -> str:
    """Sign the log's head as committed now. Raises what Signer.sign raises."""
    loop = asyncio.get_running_loop()

    def prove(old_size: int, new_size: int) -> Sequence[bytes]:
        # Called in the signer's thread, under its file lock; the proof is read by the event loop's connections.
        proof = prove_consistency(log.pool, log.config.schema, old_size, new_size)
        return asyncio.run_coroutine_threadsafe(proof, loop).result(PROOF_SECONDS)

    while True:
        head = await log.head()
        try:
            return await asyncio.to_thread(signer.sign, head.size, head.root, prove)
        except ForkRefused as refused:
            # Another replica may have signed a larger head since ours was read; the log then has that size as well.
            if not refused.new.size < refused.old.size <= (await log.head()).size:
                raise


class SigningTask:
    """Signs when the tree grew, once a second, under the relay's lock; two at once are held apart by the file."""

    def __init__(self, signer: Signer, log: Log, metrics: Metrics) -> None:
        self._signer = signer
        self._log = log
        self._metrics = metrics

    async def run(self) -> None:
        """Sign for ever. Raises ForkRefused, NoHead, HeadUnreadable: an operator must look."""
        signed = -1
        while True:
            size = (await self._log.head()).size
            if size != signed:
                try:
                    await sign(self._signer, self._log)
                    signed = size
                    self._metrics.ledger_signed_size.set(size)
                except (ForkRefused, Tampered):
                    self._metrics.ledger_verify_failures.inc()
                    raise
                except SignerBusy as busy:
                    _log.info("signer is busy", reason=str(busy))
            await asyncio.sleep(INTERVAL_SECONDS)
