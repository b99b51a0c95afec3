"""upgrade: whether this program may run on the database as it is, and what comes first."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import asyncpg
import typer

from cli.commands.options import Data, Json
from cli.output import out, print_json
from cli.place import Place, located
from cli.story import NothingFound

if TYPE_CHECKING:
    from cli.upgrade import Found

CHECK_FAILED, PENDING = 1, 6
NEXT = {
    "current": "nothing is to be done: start the services",
    "pending": "make a backup (`chaoyangli backup`), stop the services, start this version: it migrates by itself"
    " (`chaoyangli up`; with containers the service `migrate`)",
    "refused": "do not start this version on this database; a database that is to stay as it was is a backup's:"
    " `chaoyangli restore`",
}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(upgrade)


def upgrade(
    check: Annotated[
        bool, typer.Option("--check", help="Only look; the upgrade itself is starting the new version.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say whether this program may run on this database; nothing is written.

    Ends with 0 when it may as it is, with 6 when a migration or a fold comes first, with 1 when it may not.
    """
    if not check:
        raise typer.BadParameter("say --check: a database is upgraded by starting the new version on it")

    with located(data) as place:
        found = asyncio.run(_checked(place))
    states = {one.state for one in found}
    state = "refused" if "refused" in states else "pending" if "pending" in states else "current"
    if as_json:
        print_json({"state": state, "next": NEXT[state], "services": {one.service: one.to_json() for one in found}})
    else:
        for one in found:
            _tell(one)
        out.print(NEXT[state], markup=False)
    if state != "current":
        raise typer.Exit(PENDING if state == "pending" else CHECK_FAILED)


async def _checked(place: Place) -> list["Found"]:
    from cli.upgrade import check

    try:
        return await check(place)
    except asyncpg.InvalidCatalogNameError:
        raise NothingFound(f"there is no database {place.database_name}: start the services and it is made") from None


def _tell(one: "Found") -> None:
    mark = {"current": "✓", "pending": "…", "refused": "✗"}[one.state]
    out.print(f"{one.service:<11}{one.events:>8} events  {one.state}  {mark}", markup=False)
    for sentence in one.refused:
        out.print(f"  {sentence}", markup=False)
    for name, locks in one.pending.items():
        out.print(f"  migration {name}: {'; '.join(locks) or 'nobody notices'}", markup=False)
    if one.read_models is not None:
        out.print(f"  read models are folded anew from {one.events} events, before it starts", markup=False)
