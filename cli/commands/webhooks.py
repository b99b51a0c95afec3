"""webhooks: who outside is sent events, through the running notify."""

import asyncio
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.table import Table

from cli.client import Actor, Client
from cli.commands.options import Data, Json
from cli.output import out, print_json
from cli.place import Place, located
from contracts.command import Role
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key

app = typer.Typer(help="Addresses outside that are sent events: docs/webhooks.md.", no_args_is_help=True)

ActorId = Annotated[UUID, typer.Option("--actor", help="The ADMIN who asks, by id.")]
WebhookId = Annotated[UUID, typer.Argument(help="The webhook.")]
Log = Annotated[str, typer.Argument(help="orders, volunteers or ledger.")]


def register(main: typer.Typer) -> None:
    """Add these commands."""
    main.add_typer(app, name="webhooks")


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(help="Where to send: https.")],
    events: Annotated[list[str], typer.Argument(help="Such as orders.OrderClosed; see contracts/CATALOGUE.md.")],
    actor: ActorId,
    data: Data = None,
    since: Annotated[str | None, typer.Option("--since", help="Begin with this time, RFC 3339.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with each log's first event.")] = False,
    description: Annotated[str, typer.Option("--description", help="For people.")] = "",
    as_json: Json = False,
) -> None:
    """Have events sent to an address, from now on unless said otherwise."""
    if since and from_start:
        raise typer.BadParameter("--since or --from-start, not both")
    begin = {"since": since} if since else {"after": 0} if from_start else None
    logs = sorted({name.partition(".")[0] for name in events})
    starts = [] if begin is None else [{"log": log, **begin} for log in logs]
    body = {"url": url, "events": events, "starts": starts, "description": description}
    found = _done(data, actor, "/v1/webhooks", body)
    _tell(found, found["webhook_id"], as_json=as_json)


@app.command("list")
def list_webhooks(actor: ActorId, data: Data = None, as_json: Json = False) -> None:
    """Show every webhook, with its place in each log and how sending goes."""
    found = _asked(data, actor, "/v1/webhooks")["webhooks"]
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("no webhooks")
        return
    table = Table("webhook", "address", "state", "log", "position", "behind", "failures", "why")
    for one in found:
        state = one["state"] if one["reason_code"] is None else f"{one['state']} ({one['reason_code']})"
        for log in one["logs"] or [{}]:
            shown = [str(log.get(name, "")) for name in ("log", "position", "behind", "failures")]
            table.add_row(one["webhook_id"], one["url"], state, *shown, log.get("reason_code") or "")
    out.print(table)


@app.command("secret")
def secret(webhook_id: WebhookId, actor: ActorId, data: Data = None, as_json: Json = False) -> None:
    """Show the secret that the receiver checks signatures with."""
    found = _asked(data, actor, f"/v1/webhooks/{webhook_id}/secret")
    _tell(found, found["secret"], as_json=as_json)


@app.command("rotate-secret")
def rotate(
    webhook_id: WebhookId,
    actor: ActorId,
    data: Data = None,
    overlap_hours: Annotated[int, typer.Option("--overlap-hours", help="So long both sign.", min=0, max=168)] = 24,
    as_json: Json = False,
) -> None:
    """Make a new secret; the one before signs beside it for a while."""
    found = _done(data, actor, f"/v1/webhooks/{webhook_id}/rotate-secret", {"overlap_hours": overlap_hours})
    _tell(found, f"both sign until {found['previous_until']}", as_json=as_json)


@app.command("disable")
def disable(webhook_id: WebhookId, actor: ActorId, data: Data = None, as_json: Json = False) -> None:
    """Send nothing more."""
    _tell(_done(data, actor, f"/v1/webhooks/{webhook_id}/disable", {}), "disabled", as_json=as_json)


@app.command("enable")
def enable(webhook_id: WebhookId, actor: ActorId, data: Data = None, as_json: Json = False) -> None:
    """Go on where sending had stopped."""
    _tell(_done(data, actor, f"/v1/webhooks/{webhook_id}/enable", None), "enabled", as_json=as_json)


@app.command("replay")
def replay(
    webhook_id: WebhookId,
    log: Log,
    after: Annotated[int, typer.Argument(help="The next event sent is the one after this position.", min=0)],
    actor: ActorId,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send a log again from a position, or skip a part of it."""
    found = _done(data, actor, f"/v1/webhooks/{webhook_id}/replay", {"log": log, "after": after})
    _tell(found, f"{log} is sent from {after + 1} on", as_json=as_json)


@app.command("test")
def try_it(webhook_id: WebhookId, actor: ActorId, data: Data = None, as_json: Json = False) -> None:
    """Send one message that is no event, now, and say what came of it."""
    found = _done(data, actor, f"/v1/webhooks/{webhook_id}/test", None)
    _tell(found, found["reason_code"], as_json=as_json)
    if not found["delivered"]:
        raise typer.Exit(1)


def _tell(found: Any, words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        out.print(words, markup=False)


def _asked(data: Path | None, actor: UUID, path: str) -> dict[str, Any]:
    async def ask(place: Place) -> dict[str, Any]:
        async with _client(place) as client:
            found: dict[str, Any] = await client.query("notify", path, actor=Actor.of(actor, Role.ADMIN), after={})
            return found

    with located(data, running=True) as place:
        return asyncio.run(ask(place))


def _done(data: Path | None, actor: UUID, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    async def command(place: Place) -> dict[str, Any]:
        async with _client(place) as client:
            answer = await client.command("notify", path, body, actor=Actor.of(actor, Role.ADMIN), after={})
            return dict(answer.body)

    with located(data, running=True) as place:
        return asyncio.run(command(place))


def _client(place: Place) -> Client:
    return Client(place.urls, load_issuer_key(place.secrets_dir / ISSUER_KEY))
