"""restore: a backup put back beside what is in use, brought up to what was recorded since, and only then used."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.commands.options import Data, Json
from cli.directory import Mode
from cli.output import Tell, out, print_json, progress
from cli.place import Place
from cli.recovery.sources import Bundle, Database, Source

if TYPE_CHECKING:
    from cli.backup.restoring import Asked, Restored

CHECK_FAILED = 1
FROM_THE_TAIL = (
    "of what was recorded after the backup the log is back; names, addresses and words that were written with it are",
    "gone: they show as 已删除 and have to be asked for again",
)
NEWER_HEADS = (
    "its signer had no head and was given the one that was kept: before you start, ask each witness for a newer one,",
    "by `chaoyangli checkpoint adopt SERVICE --ahead --from-witness URL`, and run `chaoyangli recover` if there is one",
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(restore)


def restore(
    directory: Annotated[
        Path | None, typer.Argument(help="The backup.", exists=True, file_okay=False, show_default=False)
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option("--keys", help="A copy of the keys; the newest one beside when not given.", exists=True),
    ] = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="There is none: every name and word is gone for good.")
    ] = False,
    from_bundle: Annotated[
        Path | None, typer.Option("--from-bundle", help="An audit bundle that may hold the tail.", exists=True)
    ] = None,
    from_database: Annotated[
        str | None, typer.Option("--from-database", help="Another database, as a PostgreSQL URI.")
    ] = None,
    leave_missing: Annotated[
        bool, typer.Option("--leave-missing", help="Go on without signed events that no source has.")
    ] = False,
    go_on: Annotated[bool, typer.Option("--continue", help="Lead on a restore that was not finished.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Take a restore back.")] = False,
    finish: Annotated[bool, typer.Option("--finish", help="Keep what was restored; delete the restore point.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a backup back, with the services stopped. Until all of it is verified nothing in use is changed.

    What was recorded since comes from the streams, a bundle or another database; persons erased since stay erased.
    """
    if [directory is not None, go_on, rollback, finish].count(True) != 1:
        raise typer.BadParameter("name a backup, or one of --continue, --rollback, --finish")
    from cli.backup import restoring  # loads the services: nothing others should wait for
    from cli.backup.stopped import stopped

    sources: list[Source] = []
    if from_bundle is not None:
        sources.append(Bundle(from_bundle))
    if from_database is not None:
        sources.append(Database(from_database))
    if directory is None:
        with stopped(data, "real", None) as place, progress(not as_json) as tell:
            if rollback:
                _tell_rolled_back(asyncio.run(restoring.roll_back(place)), as_json=as_json)
            elif finish:
                _tell_finished(asyncio.run(restoring.finish(place)), as_json=as_json)
            else:
                asked = _under_way(place, sources, leave_missing=leave_missing)
                _tell(asyncio.run(restoring.lead_on(place, asked, tell)), as_json=as_json)
        return
    chosen = None if without_keys else keys or _newest_beside(directory)
    with stopped(data, _mode(directory), chosen) as place, progress(not as_json) as tell:
        if chosen is not None:
            _require_our_keys(place, chosen)
        asked = restoring.Asked(directory, chosen, sources, leave_missing)
        _tell(_restored(place, asked, tell), as_json=as_json)


def _restored(place: Place, asked: "Asked", tell: Tell) -> "Restored":
    from cli.backup import restoring

    return asyncio.run(restoring.begin(place, asked, tell))


def _under_way(place: Place, sources: list[Source], *, leave_missing: bool) -> "Asked":
    from cli.backup import journal
    from cli.backup.restoring import Asked
    from cli.backup.sealing import BackupRefused

    now = journal.read(place.state_dir)
    if now is None:
        raise BackupRefused("no restore is under way here")
    return Asked(Path(now.backup), None if now.keys is None else Path(now.keys), sources, leave_missing)


def _newest_beside(directory: Path) -> Path:
    from cli.backup.keeping import kept_below
    from cli.backup.making import KEY_COPY

    home = directory.resolve().parent
    found = kept_below(home.with_name(f"{home.name}-keys"), KEY_COPY)
    if not found:
        raise typer.BadParameter(
            f"no copy of the keys lies in {home.name}-keys: name one with --keys, or say --without-keys",
            param_hint="--keys",
        )
    return found[-1].path


def _mode(directory: Path) -> Mode:
    from cli.backup.making import DATA
    from cli.backup.sealing import read_unchecked

    return "demo" if read_unchecked(directory, DATA).get("mode") == "demo" else "real"


def _require_our_keys(place: Place, keys: Path) -> None:
    """The keys that the vaults' data keys are wrapped with are those of this place. Raises BackupRefused."""
    from cli.backup.keeping import check_keys
    from cli.backup.making import kek_digest
    from cli.backup.sealing import BackupRefused

    for service, digest in check_keys(keys, place)["vaults"].items():
        if digest != kek_digest(place, service):
            raise BackupRefused(
                f"{place.secrets_dir / f'{service}.kek'} is another key than in {keys}: no name would open. Put the"
                " right one there; nothing was changed"
            )


def _tell_rolled_back(database: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "in_use_again": database})
        return
    was = (
        "nothing in use had been changed"
        if database is None
        else f"what was in use before is in use again ({database})"
    )
    out.print(f"taken back: {was}  ✓", markup=False)


def _tell_finished(database: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": True, "deleted": database})
        return
    out.print(f"the restore point {database} is deleted  ✓", markup=False)


def _tell(done: "Restored", *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": not done.lost, **done.to_json()})
    else:
        _tell_people(done)
    if done.lost:
        raise typer.Exit(CHECK_FAILED)


def _tell_people(done: "Restored") -> None:
    for service, size in done.sizes.items():
        since = done.recovered.get(service, 0)
        erased = done.erased.get(service, 0)
        lost = done.lost.get(service)
        what = f"{size} events" + (f", {since} of them recorded after the backup" if since else "")
        what += f", {erased} persons stay erased" if erased else ""
        what += f", {lost[0]} to {lost[1]} LOST" if lost else ""
        out.print(f"{service:<11}{what}  {'✗' if lost else '✓'}", markup=False)
    if any(done.recovered.values()):
        _print_all(FROM_THE_TAIL)
    if done.adopted:
        out.print(f"  {', '.join(done.adopted)}:", markup=False)
        _print_all(NEWER_HEADS)
    if done.lost:
        names = " ".join(f"--accept-loss {service}" for service in done.lost)
        _print_all(
            (
                "the services stand still until the missing events are put back (`chaoyangli recover --from-bundle …`)",
                f"or somebody answers for the loss: `chaoyangli recover {names} --accepted-by PERSON`",
            )
        )
    if done.restore_point is not None:
        _print_all(
            (
                f"what was in use before is kept as the database {done.restore_point}: `restore --rollback` takes it",
                "again, as long as nothing is recorded; `restore --finish` deletes it, with all that was erased since",
            )
        )


def _print_all(lines: tuple[str, ...]) -> None:
    for line in lines:
        out.print(f"  {line}", markup=False)
