"""What each check catches, read like a document. A check that a drill does not name is shown not to catch it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tests.drills import attacks as a
from tests.drills.attacks import EDGE, FULL
from tests.drills.community import OLD, SIZE, Community

VERIFY, SIGNED, STREAM, KEPT = "verify", "signed head", "stream", "kept head"
RECEIPT, BUNDLE, EARLIER, SIGNER, WITNESS = "receipt", "bundle", "earlier bundle", "signer", "witness"

OUTSIDE = frozenset({KEPT, RECEIPT, BUNDLE, EARLIER, WITNESS})
"""What needs something that does not lie on the community's servers."""
EVENTS = frozenset({SIGNED, STREAM, KEPT, RECEIPT, BUNDLE, EARLIER})
"""What reads the events' own bytes."""
ALL_HASHES = EVENTS | {SIGNER, WITNESS}
"""What does not believe a history that was made to fit in itself."""


@dataclass(frozen=True)
class Drill:
    """`attack` is done to a community, and `caught_by` is exactly what catches it.

    `concerned`: the positions whose receipts are held against what is shown then. `old_copy`: an old copy of the
    database was put back first. `own_nats`: the attack fills a stream that was wiped. `goes_on`: the service can still
    append afterwards.
    """

    name: str
    attack: Callable[[Community], Coroutine[Any, Any, None]]
    caught_by: frozenset[str]
    concerned: tuple[int, ...] = (FULL,)
    old_copy: bool = False
    own_nats: bool = False
    goes_on: bool = True


DRILLS = (
    Drill("one byte of a body flipped", a.flip_a_byte, EVENTS | {VERIFY}),
    Drill("a body and its leaf hash changed", a.change_body_and_hash, EVENTS | {VERIFY}),
    Drill("the same among the last events", a.change_body_and_hash_at_the_edge, ALL_HASHES | {VERIFY}, (EDGE,)),
    Drill("an event in the middle dropped", a.drop_in_the_middle, EVENTS | {VERIFY}),
    Drill("the last events dropped", a.drop_the_last, ALL_HASHES | {VERIFY}, (SIZE,)),
    Drill("the last events dropped, the tree made to fit", a.drop_the_last_and_fit_the_tree, ALL_HASHES, (SIZE,)),
    Drill("the bodies of two events swapped", a.swap_two_bodies, EVENTS | {VERIFY}, (FULL, FULL + 1)),
    Drill("two events renumbered", a.renumber_two, EVENTS | {VERIFY}, (FULL, FULL + 1)),
    Drill("an event added that the head does not count", a.insert_behind_the_head, frozenset({VERIFY}), goes_on=False),
    Drill("an event inserted in the middle", a.insert_in_the_middle, EVENTS | {VERIFY, SIGNER}, goes_on=False),
    Drill("… and all later ones renumbered, the tree made to fit", a.insert_and_fit_everything, ALL_HASHES),
    Drill("the time beside a body changed, not the body", a.change_the_time_beside, frozenset({VERIFY})),
    Drill("the type beside a body changed, not the body", a.change_the_type_beside, frozenset({VERIFY, STREAM})),
    Drill("a hash in a tile changed", a.change_a_tile, frozenset({VERIFY, BUNDLE})),
    Drill("a hash in the head row changed", a.change_the_heads_hashes, frozenset({VERIFY, SIGNER, WITNESS})),
    Drill("the head row's size changed", a.change_the_heads_size, frozenset({VERIFY, SIGNER}), goes_on=False),
    Drill("the whole chain rewritten: every hash, tile, the head", a.rewrite_everything, ALL_HASHES),
    Drill("… and the stream with it", a.rewrite_and_fill_the_stream, ALL_HASHES - {STREAM}, own_nats=True),
    Drill("… or signed anew with the stolen key", a.rewrite_and_sign, OUTSIDE | {STREAM}),
    Drill("… or both", a.rewrite_and_fill_the_stream_and_sign, OUTSIDE, own_nats=True),
    Drill("an old copy of the database put back", a.leave_the_old_copy, ALL_HASHES, (OLD + 1,), old_copy=True),
    Drill("… and grown another way", a.grow_the_old_copy, ALL_HASHES, (OLD + 1,), old_copy=True),
    Drill(
        "… and the stream with it",
        a.grow_the_old_copy_and_fill_the_stream,
        ALL_HASHES - {STREAM},
        (OLD + 1,),
        old_copy=True,
        own_nats=True,
    ),
    Drill(
        "… and signed anew with the stolen key",
        a.grow_the_old_copy_and_fill_the_stream_and_sign,
        OUTSIDE,
        (OLD + 1,),
        old_copy=True,
        own_nats=True,
    ),
)
