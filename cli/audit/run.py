"""Reads the logs of a place once and holds every rule against them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from cli.audit.aid import Aid
from cli.audit.bank import Bank
from cli.audit.breaches import Check
from cli.audit.credits import Credits
from cli.audit.deadlines import Deadlines
from cli.audit.duties import Duties
from cli.audit.goods import Goods
from cli.audit.lifecycle import Lifecycle
from cli.audit.people import People
from cli.audit.promises import Promises
from cli.audit.statements import Statements
from cli.output import Tell
from cli.place import Place
from cli.reading import read_page
from contracts.envelope import Recorded

SERVICES = ("orders", "volunteers", "ledger")
"""In this order: what is credited comes from orders, what is posted from what was credited."""
SHOWN_MAX = 200


def checks(*, open_allowed: bool = False, patience: timedelta = timedelta()) -> Sequence[Check]:
    """All kinds of rules."""
    return (
        Lifecycle(open_allowed=open_allowed),
        Promises(),
        Duties(),
        Deadlines(open_allowed=open_allowed, patience=patience),
        Credits(),
        People(),
        Aid(),
        Goods(),
        Bank(),
        Statements(),
    )


def breaches(
    history: Iterable[Recorded], *, open_allowed: bool = False, patience: timedelta = timedelta()
) -> Iterator[str]:
    """What is wrong with a history: all of orders, then of volunteers, then of the ledger; see Deadlines."""
    everything = checks(open_allowed=open_allowed, patience=patience)
    for recorded in history:
        for check in everything:
            yield from check.hear(recorded)
    for check in everything:
        yield from check.end()


async def audit(place: Place, tell: Tell, *, open_allowed: bool = False) -> list[str]:
    """Every breach of a rule in the logs of a place, at most SHOWN_MAX of them."""
    everything, found = checks(open_allowed=open_allowed), list[str]()
    for service in SERVICES:
        connection = await place.connect(service)
        try:
            size = await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608 - one of three names
            after = 0
            while page := await read_page(connection, service, after):
                after = page[-1].position
                for recorded in page:
                    for check in everything:
                        found += check.hear(recorded)
                tell(f"rules: {service}", after, max(size, after))
        finally:
            await connection.close()
    for check in everything:
        found += check.end()
    return found[:SHOWN_MAX]
