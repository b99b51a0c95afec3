"""subscribers: who outside hears which events, over NATS and over the HTTP feed."""

import asyncio
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import subscribing
from cli.commands.options import Data, Json
from cli.commands.witness import kept_at
from cli.nats_users import subscribers_of
from cli.output import SHANGHAI, err, local, out, print_json
from cli.place import SERVICES, located
from cli.starts import EVERYWHERE, Start
from cli.subscribing import Given
from eventstore.outsiders import durable_name
from servicekit.subscribers import Subscriber, SubscribersError

subscribers_app = typer.Typer(
    help="Subscribers from outside: give them credentials, look at them, take them away.", no_args_is_help=True
)
Name = Annotated[str, typer.Argument(help="2 to 31 of a–z, 0–9 and -, a letter first.", metavar="NAME")]
STDOUT = "-"


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(subscribers_app, name="subscribers")


@subscribers_app.command("add")
def add(
    name: Name,
    events: Annotated[
        list[str], typer.Option("--events", help="orders.OrderVerified, ledger.*, … with commas, or repeated.")
    ],
    begin: Annotated[
        list[str] | None,
        typer.Option("--from", help="A position (of one log: orders=4711), a time, or `now`; 1 when missing."),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Write the credentials here; - is standard output. NAME.json if missing.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let somebody outside hear these events. The credentials are written once, and kept by nobody here."""
    if as_json and to == STDOUT:
        raise typer.BadParameter("the credentials themselves go to standard output: name a file", param_hint="--to")
    patterns = [part for text in events for part in text.split(",") if part]
    start = _starts(begin or [])
    file = Path(to or f"{name}.json")
    if to != STDOUT and file.exists():
        raise typer.BadParameter(f"{file} is there already", param_hint="--to")

    def hand_over(credentials: dict[str, Any]) -> None:
        text = json.dumps(credentials, indent=1) + "\n"
        if to == STDOUT:
            typer.echo(text, nl=False)
        else:
            _write_once(file, text)

    try:
        with located(data) as place, subscribing.alone(place):
            given = asyncio.run(subscribing.add(place, name, patterns, start, hand_over))
    except SubscribersError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        told = {"credentials": str(file), "first": given.first, "withheld": given.withheld, "nats_told": given.let_in}
        print_json(_document(given.subscriber) | told)
    else:
        _tell(given, "standard output" if to == STDOUT else str(file))


@subscribers_app.command("list")
def list_them(data: Data = None, as_json: Json = False) -> None:
    """All subscribers, and how many events each hears."""
    found, problems = subscribers_of(kept_at(data).secrets_dir).scan()
    if as_json:
        print_json({"subscribers": [_document(subscriber) for subscriber in found], "problems": problems})
    else:
        for subscriber in found:
            logs = ", ".join(subscribing.services_of(subscriber))
            out.print(f"{subscriber.name:<31} {len(subscriber.events):>3} events of {logs}", markup=False)
        if not found:
            out.print("nobody outside hears anything")
        for problem in problems:
            err.print(problem, markup=False)
    if problems:
        raise typer.Exit(1)


@subscribers_app.command("show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """What one subscriber hears, and how far they are on each log."""
    try:
        with located(data) as place:
            subscriber = subscribers_of(place.secrets_dir).read(name)
            if subscriber is None:
                raise subscribing.nobody_named(name)
            places = asyncio.run(subscribing.durables(place, subscriber))
    except SubscribersError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        print_json({**_document(subscriber), "logs": places})
        return
    out.print(f"{name}, since {local(subscriber.added_at)}", markup=False)
    for service, at in places.items():
        if at is None:
            step = f"chaoyangli subscribers change {name} --from {service}=…"
            out.print(f"{service:<11} {durable_name(name)} is not there: {step}", markup=False)
            continue
        out.print(
            f"{service:<11} acknowledged to {at['acknowledged']}, {at['waiting']} waiting,"
            f" {at['unacknowledged']} unacknowledged, {at['sent_again']} sent again",
            markup=False,
        )
    for event in subscriber.events:
        out.print(f"  {event}", markup=False)


@subscribers_app.command("change")
def change(
    name: Name,
    events: Annotated[
        list[str] | None, typer.Option("--events", help="What they hear from now on; as before when missing.")
    ] = None,
    begin: Annotated[
        list[str] | None,
        typer.Option("--from", help="As for `add`; where they are when missing. Needed on a log that is new to them."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Let a subscriber hear other events, or from elsewhere. Their credentials hold.

    Prints what takes the place of the same fields in the credentials that they hold: after a loss that was accepted,
    a log has another stream.
    """
    patterns = [part for text in events or [] for part in text.split(",") if part]
    start = _starts(begin or [])
    try:
        with located(data) as place, subscribing.alone(place):
            changed = asyncio.run(subscribing.change(place, name, patterns, start))
    except SubscribersError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        told = {"first": changed.first, "withheld": changed.withheld, "nats_told": changed.told}
        print_json(_document(changed.subscriber) | changed.binds() | told)
        return
    typer.echo(json.dumps(changed.binds(), indent=1))
    for log, position in changed.first.items():
        err.print(f"{log:<11} from position {position} on", markup=False)
    if changed.withheld:
        err.print(f"internal, and so not given out: {', '.join(changed.withheld)}", markup=False)
    if not changed.told:
        _tell_how_nats_is_told()


@subscribers_app.command("remove")
def remove(name: Name, data: Data = None, as_json: Json = False) -> None:
    """End a subscription: the credentials hold no more, and its place on the logs is forgotten."""
    try:
        with located(data) as place, subscribing.alone(place):
            told = asyncio.run(subscribing.remove(place, name))
    except SubscribersError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        print_json({"removed": name, "nats_told": told})
        return
    out.print(f"{name} hears nothing any more", markup=False)
    if not told:
        _tell_how_nats_is_told()


def _starts(words: list[str]) -> dict[str, Start]:
    """By service, and EVERYWHERE for what names none. Raises typer.BadParameter."""
    found: dict[str, Start] = {}
    for word in words:
        log, named, text = word.rpartition("=")
        if named and log not in SERVICES:
            raise typer.BadParameter(f"there is no log {log!r}: {', '.join(SERVICES)}", param_hint="--from")
        found[log if named else EVERYWHERE] = _start(text)
    return found


def _start(text: str) -> Start:
    if text == "now":
        return None
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        # Times are shown as people in Tianjin read them, and so they are typed.
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=SHANGHAI)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither a position from 1 on, nor a time, nor `now`", param_hint="--from"
        ) from None


def _write_once(file: Path, text: str) -> None:
    """For the subscriber's eyes: whoever runs this hands it over and keeps no copy."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)


def _tell(given: Given, where: str) -> None:
    err.print(f"credentials of {given.subscriber.name}: {where}. They are shown this once; hand them over safely")
    for log, position in given.first.items():
        err.print(f"{log:<11} from position {position} on", markup=False)
    err.print(f"hears: {', '.join(given.subscriber.events)}", markup=False)
    if given.withheld:
        err.print(f"internal, and so not given out: {', '.join(given.withheld)}", markup=False)
    if not given.let_in:
        _tell_how_nats_is_told()


def _tell_how_nats_is_told() -> None:
    err.print("NATS learns of it when its configuration is written and read anew:")
    err.print("  docker compose run --rm init && docker compose kill -s HUP nats")


def _document(subscriber: Subscriber) -> dict[str, object]:
    """What may be shown to whoever operates the place: no key, nor what one is recognised by."""
    return {
        "name": subscriber.name,
        "events": list(subscriber.events),
        "added_at": subscriber.added_at.isoformat(),
        "nats": subscriber.nkey is not None,
        "feed": subscriber.feed_key_sha256 is not None,
    }
