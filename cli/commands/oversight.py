"""anomalies: what somebody who watches the fund should look at."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import typer

from cli.client import Actor, Client
from cli.commands.options import Data, Json
from cli.output import out, print_json
from cli.place import Place, located
from contracts.command import Role
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key

WATCH = (Role.AUDITOR, Role.SUPERVISOR)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(name="anomalies")(anomalies)


def anomalies(
    actor: Annotated[UUID, typer.Option("--actor", help="Who looks, by id.")],
    data: Data = None,
    role: Annotated[Role, typer.Option("--role", help="AUDITOR or SUPERVISOR.")] = Role.AUDITOR,
    everything: Annotated[bool, typer.Option("--all", help="Also what was looked at.")] = False,
    as_json: Json = False,
) -> None:
    """Show what seems odd in the fund's payments, by the figures of the policy. It accuses nobody and names nobody."""
    if role not in WATCH:
        raise typer.BadParameter("--role is AUDITOR or SUPERVISOR")
    with located(data, running=True) as place:
        found = asyncio.run(_found(place, Actor.of(actor, role), "all" if everything else "open"))
    if as_json:
        print_json(found)
        return
    for one in found["anomalies"]:
        entries = "、".join(f"{number} 号" for number in one["entries"]) or "没有分录"
        looked = "" if one["outcome"] is None else f" [{one['outcome']}]"
        out.print(f"{one['found_at'][:10]} {entries}：{one['sentence']}{looked} {one['review_id']}", markup=False)
    if not found["anomalies"]:
        out.print("没有要看的", markup=False)


async def _found(place: Place, actor: Actor, state: str) -> dict[str, Any]:
    async with Client(place.urls, load_issuer_key(place.secrets_dir / ISSUER_KEY)) as client:
        params: dict[str, str | int] = {"state": state, "limit": 200}
        found: dict[str, Any] = await client.query("ledger", "/v1/anomalies", actor=actor, params=params, after={})
        return found
