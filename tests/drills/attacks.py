"""What somebody with a superuser's rights does to the ledger, one function each."""

import asyncpg

from eventstore.checkpoint import Checkpoint
from eventstore.durable import write_whole
from eventstore.note import format_note, sign
from tests.drills.community import MORE, OLD, ORIGIN, SERVICE, SIZE, Community, entry, fen, post, publish_head
from tests.support.logs import opened
from tests.support.messaging import plain_client
from tests.support.replays import carry
from tests.support.tampering import rewritten, tampering

FULL, EDGE = 100, 290
"""A position within the full tile, and one at the right edge beside it."""
HASHED = "leaf_hash = sha256('\\x00'::bytea || body)"


def _replaced(*pairs: tuple[str, str]) -> str:
    """SQL: the body with these texts replaced."""
    text = "convert_from(body, 'UTF8')"
    for old, new in pairs:
        text = f"replace({text}, '{old}', '{new}')"
    return f"convert_to({text}, 'UTF8')"


def _more(number: int) -> str:
    """SQL: the body of an entry with 80,000 分 more on both sides: still in balance."""
    old, new = fen(number), fen(number) + 80_000
    return _replaced((f'"amount":{old}', f'"amount":{new}'), (f'"amount":-{old}', f'"amount":-{new}'))


async def _execute(community: Community, *statements: str) -> None:
    async with tampering(community.database, SERVICE) as connection:
        for statement in statements:
            await connection.execute(statement)


async def flip_a_byte(community: Community) -> None:
    body = _replaced((f'"amount":{fen(FULL)}', f'"amount":9{fen(FULL) % 10_000:04d}'))
    await _execute(community, f"UPDATE ledger.events SET body = {body} WHERE position = {FULL}")


async def change_body_and_hash(community: Community) -> None:
    await _execute(community, _change(FULL))


async def change_body_and_hash_at_the_edge(community: Community) -> None:
    await _execute(community, _change(EDGE))


def _change(number: int) -> str:
    body = _more(number)
    hashed = f"sha256('\\x00'::bytea || {body})"
    return f"UPDATE ledger.events SET body = {body}, leaf_hash = {hashed} WHERE position = {number}"


async def drop_in_the_middle(community: Community) -> None:
    await _execute(community, f"DELETE FROM ledger.events WHERE position = {FULL}")


async def drop_the_last(community: Community) -> None:
    await _execute(community, f"DELETE FROM ledger.events WHERE position > {EDGE - 1}")


async def drop_the_last_and_fit_the_tree(community: Community) -> None:
    async with tampering(community.database, SERVICE) as connection:
        await connection.execute(f"DELETE FROM ledger.events WHERE position > {EDGE - 1}")
        await rewritten(connection, SERVICE)


async def swap_two_bodies(community: Community) -> None:
    await _execute(
        community,
        f"""UPDATE ledger.events e SET body = o.body, leaf_hash = o.leaf_hash FROM ledger.events o
            WHERE e.position IN ({FULL}, {FULL + 1}) AND o.position = {2 * FULL + 1} - e.position""",
    )


async def renumber_two(community: Community) -> None:
    await _execute(
        community,
        f"UPDATE ledger.events SET position = -position WHERE position IN ({FULL}, {FULL + 1})",
        f"UPDATE ledger.events SET position = {2 * FULL + 1} + position WHERE position < 0",
    )


async def insert_behind_the_head(community: Community) -> None:
    """One more at the end, which the head row does not count."""
    await _execute(community, _inserted(SIZE + 1, SIZE))


async def insert_in_the_middle(community: Community) -> None:
    await _execute(community, *_shifted(), _inserted(FULL, FULL + 1))


async def insert_and_fit_everything(community: Community) -> None:
    """Every later event is renumbered in its body as well, and the tree made to fit."""
    async with tampering(community.database, SERVICE) as connection:
        for statement in (*_shifted(), _inserted(FULL, FULL + 1)):
            await connection.execute(statement)
        await _number_bodies(connection)
        await rewritten(connection, SERVICE)


def _shifted() -> tuple[str, ...]:
    return (
        f"UPDATE ledger.events SET position = -position, version = version + 1000 WHERE position >= {FULL}",
        "UPDATE ledger.events SET position = 1 - position, version = version - 999 WHERE position < 0",
    )


def _inserted(position: int, like: int) -> str:
    """SQL: an event that nobody recorded, of an id of its own and else like another."""
    return f"""INSERT INTO ledger.events
               SELECT {position}, stream, {position}, i.id, type, recorded_at, i.body, sha256('\\x00'::bytea || i.body)
               FROM ledger.events e, LATERAL (SELECT n.id, convert_to(replace(replace(replace(
                   convert_from(e.body, 'UTF8'), e.event_id::text, n.id::text),
                   '"position":' || e.position, '"position":{position}'),
                   '"streamversion":' || e.version, '"streamversion":{position}'), 'UTF8') AS body
                   FROM (SELECT 'fffffff0-0000-7000-8000-000000000000'::uuid AS id) n) i
               WHERE e.position = {like}"""


async def _number_bodies(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """UPDATE ledger.events SET body = convert_to(regexp_replace(regexp_replace(convert_from(body, 'UTF8'),
               '"position":[0-9]+', '"position":' || position), '"streamversion":[0-9]+',
               '"streamversion":' || version), 'UTF8')"""
    )


async def change_the_time_beside(community: Community) -> None:
    await _execute(
        community,
        f"UPDATE ledger.events SET recorded_at = recorded_at - interval '1 microsecond' WHERE position = {FULL}",
    )


async def change_the_type_beside(community: Community) -> None:
    await _execute(community, f"UPDATE ledger.events SET type = 'EntryReversed' WHERE position = {FULL}")


async def change_a_tile(community: Community) -> None:
    at = (FULL - 1) * 32
    await _execute(community, f"UPDATE ledger.tiles SET hashes = set_byte(hashes, {at}, 255 - get_byte(hashes, {at}))")


async def change_the_heads_hashes(community: Community) -> None:
    await _execute(community, "UPDATE ledger.head SET range = set_byte(range, 20, 255 - get_byte(range, 20))")


async def change_the_heads_size(community: Community) -> None:
    await _execute(community, f"UPDATE ledger.head SET size = {EDGE}")


async def rewrite_everything(community: Community) -> None:
    """A gift made larger, and every hash, tile and the head row as if it had always been so."""
    async with tampering(community.database, SERVICE) as connection:
        await connection.execute(_change(FULL))
        await rewritten(connection, SERVICE)


async def rewrite_and_fill_the_stream(community: Community) -> None:
    await rewrite_everything(community)
    await fill_the_stream(community)


async def rewrite_and_sign(community: Community) -> None:
    await rewrite_everything(community)
    await sign_anew(community)


async def rewrite_and_fill_the_stream_and_sign(community: Community) -> None:
    await rewrite_everything(community)
    await fill_the_stream(community)
    await sign_anew(community)


async def leave_the_old_copy(_: Community) -> None:
    """The old copy was put back when this community was made: `Drill.old_copy`."""


async def grow_the_old_copy(community: Community) -> None:
    """Other gifts were entered after it, more than there were before."""
    async with opened(community.app) as log:
        await post(log, [entry(number, 70_000 + number) for number in range(OLD + 1, SIZE + MORE + 1)])


async def grow_the_old_copy_and_fill_the_stream(community: Community) -> None:
    await grow_the_old_copy(community)
    await fill_the_stream(community)


async def grow_the_old_copy_and_fill_the_stream_and_sign(community: Community) -> None:
    await grow_the_old_copy(community)
    await fill_the_stream(community)
    await sign_anew(community)


async def fill_the_stream(community: Community) -> None:
    """NATS was wiped; its stream is filled anew from what PostgreSQL now says."""
    async with opened(community.app) as log, plain_client(community.nats) as client:
        await carry(log, client)


async def sign_anew(community: Community) -> None:
    """With the key of the log, over what it now is: the signer's file and the published head are replaced."""
    async with opened(community.app) as log:
        head = await log.head()
    body = Checkpoint(ORIGIN, head.size, head.root).body()
    note = format_note(body, [sign(body, ORIGIN, community.signer.key)])
    write_whole(community.state / "head", note.encode())
    publish_head(community.state, note)
