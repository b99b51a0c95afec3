"""backup: the whole database in one snapshot, what opens names apart, and seeing that a copy is whole."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Data, Json
from cli.output import err, out, print_json, progress
from cli.place import DEFAULT_DATA, Place, located
from cli.story import NothingFound

backup_app = typer.Typer(
    help="Copy the whole database in one snapshot, and apart from it what opens names.",
    invoke_without_command=True,
)
Directory = Annotated[
    Path | None,
    typer.Option("--to", help="The directory that holds the backups; <data>/backups when not given.", file_okay=False),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(backup_app, name="backup")


@backup_app.callback()
def backup(
    context: typer.Context,
    to: Directory = None,
    keys_to: Annotated[
        Path | None,
        typer.Option("--keys-to", help="Where the keys go; beside, with -keys at the end, when not given."),
    ] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="No copy of the keys: `backup keys` makes them at another time.")
    ] = False,
    keep: Annotated[int | None, typer.Option("--keep", help="Delete all but so many of the newest.", min=1)] = None,
    keep_keys: Annotated[
        int, typer.Option("--keep-keys", help="So many of the newest copies of keys stay.", min=1)
    ] = 2,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write a backup while everything runs: events, tables, a signed manifest; and a copy of the keys elsewhere."""
    if context.invoked_subcommand is not None:
        return
    from cli.backup.keeping import let_go
    from cli.backup.making import KEY_COPY, back_up

    with located(data) as place, progress(not as_json) as tell:
        target = _target(place, to)
        keys = None if without_keys else keys_to or _keys_beside(target)
        made = asyncio.run(back_up(place, target, keys, tell))
        gone = let_go(target, keep) if keep is not None else []
        if keys is not None:
            gone += let_go(keys, keep_keys, KEY_COPY)
    if as_json:
        print_json(
            {
                "backup": str(made.backup),
                "keys": None if made.keys is None else str(made.keys),
                "bytes": made.bytes,
                "events": made.sizes,
                "not_included": made.not_included,
                "deleted": [str(path) for path in gone],
            }
        )
        return
    sizes = ", ".join(f"{service} {size}" for service, size in made.sizes.items())
    out.print(f"{made.backup}: {sizes} events, {made.bytes // 1024} KiB  ✓", markup=False)
    if made.keys is not None:
        out.print(f"{made.keys}: keys. Keep it on another machine than the backup, and not for long", markup=False)
    else:
        out.print("no keys: without a copy of them (`chaoyangli backup keys`) no name comes back", markup=False)
    for path in gone:
        out.print(f"deleted {path}", markup=False)
    for schema in made.not_included:
        err.print(f"not in the backup: the schema {schema}, which is no service's", markup=False)


@backup_app.command("keys")
def keys(
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="The directory that holds the copies of keys, apart from the backups; <data>/backups-keys when not"
            " given.",
            file_okay=False,
        ),
    ] = None,
    keep: Annotated[int, typer.Option("--keep", help="So many of the newest stay.", min=1)] = 2,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write a copy of the keys alone: the vaults' data keys, the secret files, signed heads, lists of erasures."""
    from cli.backup.keeping import let_go
    from cli.backup.making import KEY_COPY, copy_keys

    with located(data) as place:
        target = to or _keys_beside(_target(place, None))
        made = asyncio.run(copy_keys(place, target))
        gone = let_go(target, keep, KEY_COPY)
    if as_json:
        print_json({"keys": str(made), "deleted": [str(path) for path in gone]})
        return
    out.print(f"{made}: keys. Keep it on another machine than the backups, and not for long", markup=False)
    for path in gone:
        out.print(f"deleted {path}", markup=False)


@backup_app.command("list")
def list_backups(to: Directory = None, data: Data = None, as_json: Json = False) -> None:
    """List the finished backups, the oldest first; nothing of them is checked."""
    from cli.backup.keeping import kept_below

    if to is not None and not to.is_dir():
        raise NothingFound(f"there is no directory {to}")
    directory = to or (data or DEFAULT_DATA) / "backups"
    found = kept_below(directory)
    if as_json:
        print_json(
            [{"path": str(one.path), "made_at": one.made_at, "bytes": one.bytes, **one.document} for one in found]
        )
        return
    for one in found:
        events = sum(log["size"] for log in one.document["logs"].values())
        out.print(
            f"{one.path}  {one.made_at}  {events} events  {one.bytes // 1024} KiB  version"
            f" {one.document['app_version']}",
            markup=False,
        )
    if not found:
        err.print(f"no finished backup below {directory}", markup=False)


@backup_app.command("verify")
def verify(
    directory: Annotated[Path, typer.Argument(help="The backup.", exists=True, file_okay=False)],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Check a backup without any server: signatures, every file's SHA-256, each log against its root and its head."""
    from cli.backup.keeping import check_backup

    document = check_backup(directory, keys_of(data))
    if as_json:
        print_json({"ok": True, "made_at": document["made_at"], "logs": document["logs"]})
        return
    for service, log in document["logs"].items():
        out.print(f"{service:<11}{log['size']:>8} events  root {log['root'][:12]}…  ✓", markup=False)


def keys_of(data: Path | None) -> Place:
    """Where the keys lie that a manifest is held against; no server is asked."""
    from cli.backup.stopped import without_servers

    return without_servers(data)


def _target(place: Place, to: Path | None) -> Path:
    if to is not None:
        return to
    if place.data is None:
        raise typer.BadParameter("say where: --to DIRECTORY", param_hint="--to")
    return place.data / "backups"


def _keys_beside(target: Path) -> Path:
    return target.with_name(f"{target.name}-keys")
