"""dead-letters, erasures: what an operator takes care of."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer
from rich.table import Table

from cli.commands.options import POSITION_MAX, Data, Json, Service, chosen
from cli.output import local, out, print_json
from cli.place import SERVICES, Place, located
from cli.story import NothingFound
from contracts.envelope import Recorded, decode
from eventstore import dead_letters
from eventstore.config import Role

letters_app = typer.Typer(help="Events that a service heard and could not handle.", no_args_is_help=True)

By = Annotated[str, typer.Option("--by", help="The service that heard the event.")]
Source = Annotated[str, typer.Argument(help="The service that said the event.")]
Position = Annotated[int, typer.Argument(help="Its position there.", min=1, max=POSITION_MAX)]
Work = Callable[[asyncpg.Connection], Awaitable[list[dead_letters.Letter]]]
HandlerName = Annotated[str | None, typer.Option("--handler", help="Only this handler's letter.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(letters_app, name="dead-letters")
    app.command()(erasures)


@letters_app.command("list")
def list_letters(
    data: Data = None,
    service: Service = None,
    every: Annotated[bool, typer.Option("--all", help="Settled ones, too.")] = False,
    as_json: Json = False,
) -> None:
    """List the open dead letters."""
    services = chosen(service)
    with located(data) as place:
        found = asyncio.run(_list(place, services, every=every))
    if as_json:
        print_json([{"by": by, **_letter(letter)} for by, letter in found])
        return
    if not found:
        out.print("no dead letters")
        return
    table = Table("heard by", "event", "handler", "state", "holds up", "attempts", "error")
    for by, letter in found:
        event = f"{letter.source}/{letter.position}"
        holds = "yes" if letter.blocks and letter.state == "open" else "no"
        table.add_row(by, event, letter.handler, letter.state, holds, str(letter.attempts), letter.error[:80])
    out.print(table)


@letters_app.command("show")
def show_letter(source: Source, position: Position, by: By, data: Data = None, as_json: Json = False) -> None:
    """Show one event's letters, with the event itself and what dismissing them means."""
    found = _run(data, by, source, "auditor", lambda db: dead_letters.show(db, by, source, position))
    if not found:
        raise NothingFound(f"{by} has no dead letter of {source}/{position}")
    if as_json:
        print_json([_letter(letter) for letter in found])
        return
    for letter in found:
        out.print(f"{letter.source}/{letter.position} {letter.handler}: {letter.state}, {letter.attempts} attempts")
        out.print(f"  error: {letter.error}", markup=False)
        out.print(f"  body:  {letter.body.decode(errors='replace')}", markup=False)
        out.print(f"  to dismiss it means: {letter.dismissal_means}", markup=False)


@letters_app.command("retry")
def retry_letter(
    source: Source, position: Position, by: By, data: Data = None, handler: HandlerName = None, as_json: Json = False
) -> None:
    """Ask the consumer to try an event again. It does so while the service runs."""
    found = _run(data, by, source, "app", lambda db: dead_letters.retry(db, by, source, position, handler))
    _tell(found, "will be tried again", as_json=as_json)


@letters_app.command("dismiss")
def dismiss_letter(
    source: Source, position: Position, by: By, data: Data = None, handler: HandlerName = None, as_json: Json = False
) -> None:
    """Give an event up for good, and say what that means."""
    found = _run(data, by, source, "app", lambda db: dead_letters.dismiss(db, by, source, position, handler))
    _tell(found, "dismissed", as_json=as_json)


def _run(data: Path | None, by: str, source: str, role: Role, work: Work) -> list[dead_letters.Letter]:
    chosen(by)
    chosen(source)

    async def run(place: Place) -> list[dead_letters.Letter]:
        connection = await place.connect(by, role)
        try:
            return await work(connection)
        finally:
            await connection.close()

    with located(data) as place:
        return asyncio.run(run(place))


def _tell(found: list[dead_letters.Letter], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json([_letter(letter) for letter in found])
        return
    for letter in found:
        out.print(f"{letter.source}/{letter.position} {letter.handler}: {what}")
        if what == "dismissed":
            out.print(f"  {letter.dismissal_means}", markup=False)


async def _list(place: Place, services: tuple[str, ...], *, every: bool) -> list[tuple[str, dead_letters.Letter]]:
    found = []
    for service in services:
        connection = await place.connect(service)
        try:
            letters = await dead_letters.letters(connection, service, state=None if every else "open")
        finally:
            await connection.close()
        found += [(service, letter) for letter in letters]
    return found


def _letter(letter: dead_letters.Letter) -> dict[str, Any]:
    return {
        "source": letter.source,
        "position": letter.position,
        "handler": letter.handler,
        "event_id": str(letter.event_id) if letter.event_id else None,
        "state": letter.state,
        "blocks": letter.blocks,
        "attempts": letter.attempts,
        "error": letter.error,
        "first_at": letter.first_at.isoformat(),
        "last_at": letter.last_at.isoformat(),
        "dismissal_means": letter.dismissal_means,
    }


def erasures(data: Data = None, as_json: Json = False) -> None:
    """Show who was erased, and which service has not destroyed its keys yet."""
    with located(data) as place:
        found = asyncio.run(_erasures(place))
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("nobody was erased")
        return
    for one in found:
        out.print(f"{one['person_id']}  erased {local(datetime.fromisoformat(one['erased_at']))}", markup=False)
        for service in SERVICES:
            out.print(f"  {service:<11} {_word(one, service)}", markup=False)


def _word(one: dict[str, Any], service: str) -> str:
    if service in one["waiting"]:
        return "has not destroyed its keys yet"
    kept = one["kept"].get(service)
    what = f"destroyed; the law keeps {', '.join(kept)}" if kept else "destroyed"
    return f"keys {what} (position {one['done'][service]})"


async def _erasures(place: Place) -> list[dict[str, Any]]:
    erased = await _of_type(place, "volunteers", "PersonErased")
    done: dict[str, dict[str, Recorded]] = {}
    for service in SERVICES:
        for recorded in await _of_type(place, service, "PersonDataErased"):
            done.setdefault(str(recorded.event.person_id), {})[service] = recorded  # type: ignore[attr-defined]
    found = []
    for recorded in erased:
        person_id = str(recorded.event.person_id)  # type: ignore[attr-defined]
        said = done.get(person_id, {})
        kept = {
            service: [part.purpose for part in answer.event.kept]  # type: ignore[attr-defined]
            for service, answer in said.items()
            if answer.event.kept  # type: ignore[attr-defined]
        }
        found.append(
            {
                "person_id": person_id,
                "erased_at": recorded.recorded_at.isoformat(),
                "done": {service: answer.position for service, answer in said.items()},
                "waiting": [service for service in SERVICES if service not in said],
                "kept": kept,
            }
        )
    return found


async def _of_type(place: Place, service: str, type_name: str) -> list[Recorded]:
    connection: asyncpg.Connection = await place.connect(service)
    try:
        rows = await connection.fetch(
            f"SELECT body FROM {service}.events WHERE type = $1 ORDER BY position",  # noqa: S608
            type_name,
        )
    finally:
        await connection.close()
    return [decode(row["body"]) for row in rows]
