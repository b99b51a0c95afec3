"""Verification: an untouched log passes; whatever is changed in it is caught, with its position where that can be."""

import asyncio
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nats.js.api import StreamConfig

from eventstore.checkpoint import Signer
from eventstore.config import LogConfig
from eventstore.errors import LogUnavailable, Tampered
from eventstore.log import Log
from eventstore.merkle import EMPTY_ROOT
from eventstore.proofs import root_at
from eventstore.publish import Target, publish
from eventstore.streams import context, ensure_stream
from eventstore.verify import VerifyReport, verify
from tests.support.logs import as_role, migrated, opened
from tests.support.messaging import append, plain_client, running
from tests.support.replays import carry
from tests.support.tampering import rewritten, tampering

SIZE = 700
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
REWRITE = """UPDATE orders.events SET body =
             convert_to(replace(convert_from(body, 'UTF8'), '"offers_left":0', '"offers_left":1'), 'UTF8')
             WHERE position = {at}"""
REHASH = "UPDATE orders.events SET leaf_hash = sha256('\\x00'::bytea || body) WHERE position = {at}"


@pytest.fixture
async def log(database):
    async with opened(await migrated(database)) as log:
        yield log


def signer(directory) -> Signer:
    return Signer("chaoyangli/orders", KEY, directory / "head")


async def signed(log: Log, directory) -> Signer:
    """The head file of the log as it is now. There was none: an empty head is signed first."""
    made = signer(directory)
    made.sign(0, EMPTY_ROOT, lambda *_: ())
    head = await log.head()
    made.sign(head.size, head.root, lambda *_: ())
    return made


async def verified(log: Log, made: Signer | None = None, nats=None) -> VerifyReport:
    """As the auditor."""
    key, path = (made.verifier_key, made.head_path) if made is not None else (None, None)
    return await verify(as_role(log.config, "auditor"), log_key=key, head_path=path, nats=nats)


def kinds(report: VerifyReport) -> list[tuple[str, int | None]]:
    return [(problem.kind, problem.position) for problem in report.problems]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 700])
async def test_an_untouched_log_passes(log, nats_server, tmp_path, size):
    await append(log, size, each=3)
    made = await signed(log, tmp_path) if size else signer(tmp_path)
    seen = []
    async with plain_client(nats_server) as client:
        await carry(log, client)
        report = await verify(
            as_role(log.config, "auditor"),
            log_key=made.verifier_key,
            head_path=made.head_path,
            nats=client,
            progress=lambda *at: seen.append(at),
        )
    head = await log.head()
    assert kinds(report) == []
    assert report.ok
    assert (report.size, report.root) == (head.size, head.root)
    assert report.stream_identical
    assert report.to_json()["stream"] == {"last": size, "behind": 0, "first_difference": None}
    if size:
        assert report.checkpoint is not None
        assert (report.checkpoint.size, report.checkpoint.ok) == (size, True)
        assert seen == [(size, size)]


async def test_an_older_checkpoint_and_a_stream_that_lags_are_no_fault(log, nats_server, tmp_path):
    await append(log, 300)
    made = await signed(log, tmp_path)
    async with plain_client(nats_server) as client:
        await carry(log, client)
        await append(log, 60)
        report = await verified(log, made, client)
        assert kinds(report) == []
        assert report.checkpoint is not None
        assert (report.size, report.checkpoint.size) == (360, 300)
        assert report.checkpoint.root == await root_at(log.pool, "orders", 300)
        assert report.stream is not None
        assert (report.stream.behind, report.stream.identical) == (60, False)


TAMPERED: dict[str, tuple[str, list[tuple[str, int | None]]]] = {
    "a byte of a body": (REWRITE.format(at=300), [("body", 300), ("tile", 300)]),
    "a body and its hash": ("; ".join([REWRITE.format(at=300), REHASH.format(at=300)]), [("tile", 300)]),
    "a body and its hash, late": ("; ".join([REWRITE.format(at=697), REHASH.format(at=697)]), [("head", 697)]),
    "a leaf hash": ("UPDATE orders.events SET leaf_hash = sha256('x') WHERE position = 5", [("body", 5)]),
    "a body that is no event": (
        "UPDATE orders.events SET body = '\\x00' WHERE position = 9",
        [("body", 9), ("body", 9), ("tile", 9)],
    ),
    "a type": ("UPDATE orders.events SET type = 'OrderPlaced' WHERE position = 30", [("column", 30)]),
    "a stream": ("UPDATE orders.events SET stream = stream || '0' WHERE position = 30", [("column", 30)]),
    "an event id": ("UPDATE orders.events SET event_id = gen_random_uuid() WHERE position = 30", [("column", 30)]),
    "a version": ("UPDATE orders.events SET version = 999 WHERE position = 31", [("column", 31), ("version", 31)]),
    "a time": (
        "UPDATE orders.events SET recorded_at = recorded_at - interval '1 microsecond' WHERE position = 700",
        [("column", 700), ("time", 700), ("head", 700)],
    ),
    "times out of order": (
        "UPDATE orders.events SET recorded_at = recorded_at - interval '1 day' WHERE position = 31",
        [("column", 31), ("time", 31)],
    ),
    "the last event": ("DELETE FROM orders.events WHERE position = 700", [("gap", 700)]),
    "an event in the middle": ("DELETE FROM orders.events WHERE position = 70", [("gap", 70)]),
    "two events swapped": (
        """UPDATE orders.events SET position = -position WHERE position IN (40, 41);
           UPDATE orders.events SET position = 81 + position WHERE position < 0""",
        [("column", 40), ("column", 41), ("tile", 40)],
    ),
    "a tile": (
        "UPDATE orders.tiles SET hashes = set_byte(hashes, 100, 255 - get_byte(hashes, 100)) WHERE index = 1",
        [("tile", 260)],
    ),
    "a tile's root": ("UPDATE orders.tiles SET root = sha256('x') WHERE index = 1", [("tile", 257)]),
    "the roots of a tile's groups": (
        """ALTER TABLE orders.tiles ALTER COLUMN group_roots DROP EXPRESSION;
           UPDATE orders.tiles SET group_roots = set_byte(group_roots, 9, 255 - get_byte(group_roots, 9))
           WHERE index = 1""",
        [("tile", 257)],
    ),
    "a tile that is gone": ("DELETE FROM orders.tiles WHERE index = 0", [("tile", 1)]),
    "a tile too many": (
        "INSERT INTO orders.tiles SELECT level, 2, hashes, root FROM orders.tiles WHERE index = 0",
        [("tile", None)],
    ),
    "the head's root": (
        "UPDATE orders.head SET range = set_byte(range, 190, 255 - get_byte(range, 190))",
        [("head", 697)],
    ),
    "the head's time": ("UPDATE orders.head SET recorded_at = recorded_at - interval '1 day'", [("head", 700)]),
    "the head's size": ("UPDATE orders.head SET size = 650", [("head", 651)]),
    "no head": ("DELETE FROM orders.head", [("head", None)]),
}


@pytest.fixture(scope="module")
def history(postgres_server):
    """A database with a log of 700 events in streams of fifty, made once, copied for each case."""
    made = postgres_server.create_database()

    async def write() -> LogConfig:
        config = await migrated(made)
        async with opened(config) as log:
            await append(log, SIZE, each=50)
        return config

    with asyncio.Runner() as runner:
        config = runner.run(write())
    yield config
    postgres_server.drop_database(made.name)


@pytest.mark.parametrize("case", TAMPERED)
def test_what_is_changed_is_caught(postgres_server, history, case):
    sql, expected = TAMPERED[case]
    copy = postgres_server.create_database(template=history.database)

    async def tampered() -> VerifyReport:
        async with tampering(copy, "orders") as connection:
            await connection.execute(sql)
        return await verify(replace(as_role(history, "auditor"), database=copy.name))

    with asyncio.Runner() as runner:
        report = runner.run(tampered())
    postgres_server.drop_database(copy.name)
    # A changed stream or version shows again with the stream's next event.
    found = [each for each in kinds(report) if each[0] != "version" or each in expected]
    assert found == expected
    assert not report.ok
    assert report.to_json()["problems"][0]["message"]


async def test_a_swapped_pair_of_streams_is_caught_by_its_versions(log, database):
    await append(log, 20, each=5)
    async with tampering(database, "orders") as connection:
        await connection.execute("UPDATE orders.events SET version = 9 WHERE position = 3")
    assert ("version", 3) in kinds(await verified(log))


async def test_a_history_rewritten_with_all_rights_is_caught_by_checkpoint_and_stream(
    log, database, nats_server, tmp_path
):
    await append(log, SIZE, each=10)
    made = await signed(log, tmp_path)
    async with plain_client(nats_server) as client:
        await carry(log, client)
        async with tampering(database, "orders") as connection:
            await connection.execute(REWRITE.format(at=123))
            await rewritten(connection, "orders")
        assert kinds(await verified(log)) == []
        assert kinds(await verified(log, made)) == [("checkpoint", None)]
        report = await verified(log, made, client)
        assert kinds(report) == [("stream", 123), ("checkpoint", None)]
        assert report.checkpoint is not None
        assert not report.checkpoint.ok
        assert report.stream is not None
        assert report.stream.first_difference == 123


async def test_an_end_cut_off_with_all_rights_is_caught_by_checkpoint_and_stream(log, database, nats_server, tmp_path):
    await append(log, 30)
    made = await signed(log, tmp_path)
    async with plain_client(nats_server) as client:
        await carry(log, client)
        async with tampering(database, "orders") as connection:
            await connection.execute("DELETE FROM orders.events WHERE position > 28")
            await rewritten(connection, "orders")
        assert kinds(await verified(log)) == []
        report = await verified(log, made, client)
        assert kinds(report) == [("stream", 29), ("checkpoint", 29)]


async def test_an_end_cut_off_behind_the_heads_back_is_caught_by_the_stream(log, database, nats_server):
    await append(log, 30)
    async with plain_client(nats_server) as client:
        await carry(log, client)
        async with tampering(database, "orders") as connection:
            await connection.execute("DELETE FROM orders.events WHERE position > 28")
        assert kinds(await verified(log, nats=client)) == [("gap", 29), ("stream", 29)]


async def test_a_stream_that_differs_is_named_with_the_position(log, nats_server):
    await append(log, 50)
    async with plain_client(nats_server) as client:
        await ensure_stream(context(client), "chaoyangli", "orders")
        events = await log.read_raw(0, 100)
        events[19] = replace(events[19], body=events[19].body.replace(b'"wave":20', b'"wave":21'))
        events[29] = replace(events[29], type="OrderPlaced")
        await publish(Target(client, "chaoyangli", "orders"), events)
        report = await verified(log, nats=client)
        assert kinds(report) == [("stream", 20), ("stream", 30)]
        assert not report.ok
        assert report.stream_identical is False
        # And one message too many.
        await context(client).publish("chaoyangli.orders.OfferDeclined", b"{}")
        assert kinds(await verified(log, nats=client))[-1] == ("stream", 51)


async def test_a_message_missing_in_the_stream_is_named(log, nats_server):
    await append(log, 50)
    async with plain_client(nats_server) as client:
        js = context(client)
        await js.add_stream(
            StreamConfig(name="ORDERS", subjects=["chaoyangli.orders.>"], allow_direct=True, allow_atomic=True)
        )
        await carry(log, client)
        await js.delete_msg("ORDERS", 13)
        await js.delete_msg("ORDERS", 50)
        assert kinds(await verified(log, nats=client)) == [("stream", 13), ("stream", 50)]


async def test_no_stream_at_all_is_lag(log, nats_server):
    await append(log, 5)
    async with plain_client(nats_server) as client:
        report = await verified(log, nats=client)
    assert report.ok
    assert report.stream is not None
    assert (report.stream.behind, report.stream.last) == (5, 0)


async def test_a_checkpoint_must_be_this_logs_and_be_there(log, tmp_path):
    await append(log, 5)
    assert kinds(await verified(log, signer(tmp_path))) == [("checkpoint", None)]
    made = await signed(log, tmp_path)
    text = made.last_signed_text()
    assert text is not None
    config, key = as_role(log.config, "auditor"), made.verifier_key
    assert (await verify(config, log_key=key, checkpoint=text)).ok
    broken = text.replace("\n5\n", "\n4\n")
    report = await verify(config, log_key=key, checkpoint=broken)
    assert kinds(report) == [("checkpoint", None)]
    other = Signer("chaoyangli/orders", Ed25519PrivateKey.generate(), tmp_path / "other").verifier_key
    assert not (await verify(config, log_key=other, checkpoint=text)).ok
    with pytest.raises(ValueError, match="the log's key"):
        await verify(config, checkpoint=text)


@pytest.mark.parametrize(
    "sql", ["DELETE FROM orders.head", "UPDATE orders.head SET size = 4", "UPDATE orders.head SET range = ''"]
)
async def test_a_log_whose_head_is_gone_or_at_odds_is_called_tampered_with(log, database, sql):
    await append(log, 5)
    async with tampering(database, "orders") as connection:
        await connection.execute(sql)
    with pytest.raises(Tampered, match=r"head|compact range"):
        await log.head()
    with pytest.raises(Tampered):
        async with opened(log.config):
            pytest.fail("it was opened")


async def test_verifying_while_writes_go_on(log, tmp_path):
    await append(log, 600, each=5)
    made = await signed(log, tmp_path)

    async def write() -> None:
        while True:
            await append(log, 40)

    async with running(write()):
        reports = [await verified(log, made) for _ in range(3)]
    assert [kinds(report) for report in reports] == [[], [], []]
    assert reports[-1].size > 600


async def test_no_database_is_no_verdict(log):
    with pytest.raises(LogUnavailable):
        await verify(replace(as_role(log.config, "auditor"), password="wrong"))
