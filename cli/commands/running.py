"""up, status, init, token, healthcheck: start the system and see that it runs."""

import asyncio
import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import typer

from cli.client import Actor, Client
from cli.commands.options import Data, Json
from cli.directory import StackError, leave_days, made_for
from cli.embedded import EmbeddedError, write_private
from cli.embedded.nats import give_streams_to_their_accounts
from cli.entry import healthcheck
from cli.nats_users import container_config, nats_accounts
from cli.output import err, out, print_json
from cli.place import DEFAULT_DATA, SERVICES, Place, located
from cli.stack import Stack
from cli.stopping import StopSignal
from contracts.command import Role
from contracts.ids import uuid7
from eventstore.clock import direct
from servicekit.handing import HANDED_VARIABLE, MIGRATOR, hand_out
from servicekit.secrets import ISSUER_KEY, SUPERUSER_PASSWORD, init_secrets, read_text_secret
from servicekit.tokens import LIFE_SECONDS_MAX, RoleGrant, issue, load_issuer_key

MEND_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    app.command()(status)
    app.command()(init)
    app.command()(token)
    app.command(name="healthcheck", hidden=True)(_healthcheck)


def up(data: Data = None, as_json: Json = False) -> None:
    """Start PostgreSQL, NATS and the four services, and keep them running until Ctrl-C. Continues where it was."""
    directory = data or DEFAULT_DATA
    # An invented community goes on in the present; its services go on following the clock file they were made with.
    mode = made_for(directory) or "real"
    stack = Stack(directory, mode=mode)
    stack.claim()
    if mode == "demo":
        if leave_days(directory):
            err.print("the demo's days were not over: they are left, and the community goes on in the present")
        direct(stack.clock_file, datetime.now(UTC), 1)
    stop = StopSignal().listen()
    stack.start(lambda step: err.print(f"… {step}"))
    try:
        tell_addresses(stack, as_json=as_json)
        keep_running(stack, stop)
    finally:
        err.print("stopping")
        stack.stop()


def keep_running(stack: Stack, stop: StopSignal) -> None:
    """Start again what dies, until told to stop."""
    while not stop.wait(MEND_SECONDS):
        try:
            for name in stack.mend():
                err.print(f"{name} had died and was started again")
        except EmbeddedError as error:
            err.print(f"{error}", markup=False)


def tell_addresses(stack: Stack, *, as_json: bool) -> None:
    """Print where everything is."""
    if as_json:
        postgres = f"127.0.0.1:{stack.servers.postgres.port}/chaoyangli"
        places = {"services": stack.urls, "nats": stack.servers.nats.url, "postgres": postgres}
        print_json({"data": str(stack.data), "mode": stack.mode, **places})
        return
    for name, url in stack.urls.items():
        out.print(f"  {name:<11} {url}/openapi.json")
    out.print(f"  {'NATS':<11} {stack.servers.nats.url}")
    out.print(f"  {'PostgreSQL':<11} 127.0.0.1:{stack.servers.postgres.port}/chaoyangli")
    out.print(f"  {'data':<11} {stack.data}")
    data = "" if stack.data == DEFAULT_DATA.resolve() else f" --data {stack.data}"
    out.print(f"Follow it: chaoyangli events --follow{data}\nCheck it:  chaoyangli verify{data}\nStop it:   Ctrl-C")


def status(data: Data = None, as_json: Json = False) -> None:
    """Show each service's address, position, relay and consumer lag."""
    with located(data, running=True) as place:
        found = asyncio.run(_status(place))
    if as_json:
        print_json(found)
        return
    for name, one in found["services"].items():
        process = f"  process {one['pid']}" if one["pid"] else ""
        out.print(f"{name:<11} {one['state']:<11} {one['url']}{process}", markup=False)
        if one["position"] is not None:
            lags = "".join(f", {source} lag {lag}" for source, lag in one["consumer_lag"].items())
            out.print(f"{'':<11} position {one['position']}, relay lag {one['relay_lag']}{lags}", markup=False)
    for name, one in found["services"].items():
        for reason in one["reasons"]:
            out.print(f"{name}: {reason}", markup=False)
    if found["data"]:
        out.print(f"data: {found['data']}")


async def _status(place: Place) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=5) as http:
        answers = await asyncio.gather(*(_readyz(http, place.urls[service]) for service in SERVICES))
    ready = dict(zip(SERVICES, answers, strict=True))
    positions = {name: answer.get("positions", {}).get(name) for name, answer in ready.items()}
    services = {}
    for name, answer in ready.items():
        heard = {source: at for source, at in answer.get("positions", {}).items() if source != name}
        services[name] = {
            "url": place.urls[name],
            "state": answer["status"],
            "reasons": [*answer.get("reasons", []), *answer.get("degraded", [])],
            "position": positions[name],
            "relay_lag": answer.get("lags", {}).get("relay"),
            "consumer_lag": {source: max(0, (positions.get(source) or at) - at) for source, at in heard.items()},
            "pid": place.info.pids.get(name) if place.info else None,
        }
    return {
        "data": str(place.data) if place.data else None,
        "mode": place.info.mode if place.info else None,
        "nats": place.nats_url,
        "postgres": f"{place.database_host}:{place.database_port}/{place.database_name}",
        "services": services,
    }


async def _readyz(http: httpx.AsyncClient, url: str) -> dict[str, Any]:
    try:
        document: dict[str, Any] = (await http.get(f"{url}/readyz")).json()
    except (httpx.TransportError, ValueError) as error:
        return {"status": "unreachable", "reasons": [f"{url} does not answer: {type(error).__name__}"]}
    return document


def token(
    data: Data = None,
    actor: Annotated[UUID | None, typer.Option("--actor", help="The acting person's id; a new one if missing.")] = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="ROLE or ROLE@scope; may be repeated.")] = None,
    on_behalf_of: Annotated[UUID | None, typer.Option("--on-behalf-of", help="For whom they act.")] = None,
    ttl: Annotated[int, typer.Option("--ttl", help="Seconds it lives.", min=1, max=LIFE_SECONDS_MAX)] = 600,
    bootstrap: Annotated[bool, typer.Option("--bootstrap", help="Make the first ADMIN, once, as an event.")] = False,
    name: Annotated[str, typer.Option("--name", help="The first ADMIN's name, for the vault.")] = "管理员",
    as_json: Json = False,
) -> None:
    """Sign a bearer token with the issuer's key, or make the first ADMIN."""
    if not _is_text(name):
        raise typer.BadParameter("it is not UTF-8", param_hint="--name")
    with located(data, running=bootstrap) as place:
        key = load_issuer_key(place.secrets_dir / ISSUER_KEY)
        who = actor or uuid7()
        document: dict[str, Any] = {"actor_id": str(who)}
        if bootstrap:
            answer = asyncio.run(_bootstrap(place, who, name))
            document |= {"role": "ADMIN", "positions": dict(answer)}
            grants = [RoleGrant(role=Role.ADMIN)]
        else:
            grants = [_grant(text) for text in role or []]
    document["token"] = issue(key, who, grants, on_behalf_of=on_behalf_of, ttl_seconds=ttl)
    if as_json:
        print_json(document)
    else:
        if bootstrap or actor is None:
            err.print(f"actor {who}")
        out.print(document["token"], markup=False)


def _is_text(typed: str) -> bool:
    """Whether a shell passed on text: other bytes come as lone surrogates, which no encoding takes."""
    return not any("\ud800" <= character <= "\udfff" for character in typed)


async def _bootstrap(place: Place, who: UUID, name: str) -> dict[str, int]:
    actor, body = Actor.of(who), {"name": name}
    async with Client(place.urls, load_issuer_key(place.secrets_dir / ISSUER_KEY)) as client:
        answer = await client.command("volunteers", "/v1/bootstrap", body, actor=actor, bootstrap=True, after={})
    return dict(answer.positions)


def _grant(text: str) -> RoleGrant:
    name, at, scope = text.partition("@")
    people = sorted(set(Role.__members__) - {Role.SYSTEM.name})
    if name not in people:
        raise typer.BadParameter(f"there is no role {name!r} for people: {', '.join(people)}")
    if at and not scope:
        raise typer.BadParameter(f"{text!r} names no scope after the @")
    return RoleGrant(role=Role(name), scope=scope or None)


def init(
    secrets: Annotated[Path, typer.Option(help="Where keys and passwords are kept.")],
    state: Annotated[Path, typer.Option(help="Where signed heads are kept, outside the database.")],
    nats_config: Annotated[Path | None, typer.Option(help="Write nats-server's configuration here.")] = None,
    postgres_password: Annotated[
        Path | None, typer.Option(help="Copy the superuser's password here, for PostgreSQL's own user.")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="UID:GID that the files shall belong to.")] = None,
    nats_data: Annotated[Path | None, typer.Option(help="NATS's directory, which shall belong to --owner.")] = None,
    proxy_data: Annotated[Path | None, typer.Option(help="The proxy's directory, likewise.")] = None,
    postgres_owner: Annotated[
        str | None, typer.Option(help="UID:GID of PostgreSQL's user, who alone shall read the copied password.")
    ] = None,
    handed: Annotated[
        Path | None,
        typer.Option(envvar=HANDED_VARIABLE, help="Give each service its own secrets here, in a directory each."),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            envvar="CHAOYANGLI_KEYS",
            help="A copy of the keys, made by `backup`: what is missing is put back from it before anything is made.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    community: Annotated[str, typer.Option(envvar="CHAOYANGLI_COMMUNITY")] = "chaoyangli",
    as_json: Json = False,
) -> None:
    """Make every secret that is missing. Safe to run again: what exists is left as it is."""
    given = _put_back(keys, secrets, community) if keys is not None else []
    made = init_secrets(secrets, SERVICES)
    secrets.chmod(0o700)  # a volume begins open to all
    for service in SERVICES:
        (state / service).mkdir(parents=True, exist_ok=True)
    homes = [handed / reader for reader in (*SERVICES, MIGRATOR)] if handed is not None else []
    for home in homes:
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
    if nats_data is not None:
        give_streams_to_their_accounts(nats_data, SERVICES)
    if owner is not None:
        _give(owner, secrets, state, *homes, *(path for path in (nats_data, proxy_data) if path is not None))
    if handed is not None:
        hand_out(secrets, handed, SERVICES)
    if nats_config is not None:
        config = container_config(nats_accounts(secrets, state, community), store_dir="/data")
        _hand_over(nats_config, json.dumps(config, indent=1), owner)
    if postgres_password is not None:
        password = read_text_secret(secrets / SUPERUSER_PASSWORD)
        _hand_over(postgres_password, password + "\n", postgres_owner)
    if as_json:
        print_json({"made": [path.name for path in made], "put_back": given})
        return
    if given:
        out.print(f"{len(given)} secrets put back")
    if made or not given:
        out.print(f"{len(made)} secrets made" if made else "every secret was there already")


def _put_back(keys: Path, secrets: Path, community: str) -> list[str]:
    from cli.backup.heads import give_checked_secrets  # loads the services: nothing a first start should wait for

    return give_checked_secrets(keys, secrets, community)


def _hand_over(path: Path, content: str, owner: str | None) -> None:
    """Write a file that its reader alone may read, and nobody change."""
    write_private(path, content)
    path.chmod(0o400)
    if owner is not None:
        os.chown(path, *_uid_and_gid(owner))


def _uid_and_gid(owner: str) -> tuple[int, int]:
    try:
        uid, gid = (int(part) for part in owner.split(":"))
    except ValueError:
        raise StackError(f"an owner is UID:GID, not {owner!r}") from None
    return uid, gid


def _give(owner: str, *roots: Path) -> None:
    uid, gid = _uid_and_gid(owner)
    for root in roots:
        for path in (root, *root.rglob("*")):
            # A service that runs already may be replacing its signed head.
            with contextlib.suppress(FileNotFoundError):
                os.chown(path, uid, gid)


def _healthcheck(url: str, heartbeat: Annotated[str | None, typer.Argument()] = None) -> None:
    raise typer.Exit(healthcheck(url, heartbeat))
