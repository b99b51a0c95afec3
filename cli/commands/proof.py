"""verify, replay: prove that nothing was changed, and that what people see follows from what happened."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import nats
import typer
from rich.table import Table

from cli.commands.options import Data, Json, Service, chosen
from cli.elsewhere import Elsewhere, SourceUnknown
from cli.output import SHANGHAI, Tell, out, print_json, progress
from cli.place import SERVICES, Place, located
from eventstore.replay import ReplayReport, replay
from eventstore.verify import VerifyReport, verify
from servicekit.log_keys import read_log_keys
from servicekit.verified import Verified, write_last_verified

CHECK_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(name="verify")(_verify)
    app.command(name="replay")(_replay)


def _verify(
    data: Data = None,
    service: Service = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            help="A signed head that somebody kept, of the log named in its first line; instead of the last one here.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every log: hashes, numbering, columns, tree, signed head, and the stream byte for byte."""
    services, kept = chosen(service), None if checkpoint is None else checkpoint.read_bytes()
    with located(data) as place, progress(not as_json) as tell:
        if kept is not None:
            services = (_spoken_of(kept, place, services),)
        reports = asyncio.run(verify_all(place, services, tell, kept))
        if kept is None:
            _keep(place, reports)
    if as_json:
        print_json(as_document(reports))
    else:
        for report in reports:
            tell_report(report)
    if not all(report.ok for report in reports):
        raise typer.Exit(CHECK_FAILED)


def _keep(place: Place, reports: Sequence[VerifyReport]) -> None:
    """For the services' gauges; whoever may only read here keeps nothing."""
    now = datetime.now(UTC)
    for report in reports:
        verified = Verified(finished_at=now, size=report.size, ok=report.ok)
        write_last_verified(place.state_dir, report.service, verified)


def _spoken_of(checkpoint: bytes, place: Place, services: Sequence[str]) -> str:
    """The one of these services whose head this is. Raises typer.BadParameter."""
    origin = checkpoint.split(b"\n", 1)[0].decode("utf-8", "replace")
    for name in services:
        if origin == place.origin(name):
            return name
    raise typer.BadParameter(f"{origin[:200]!r} is no log of {', '.join(services)} here")


async def verify_all(
    place: Place, services: Sequence[str], tell: Tell, checkpoint: bytes | None = None
) -> list[VerifyReport]:
    """Verify these logs, one after the other: against the last head signed here, or against `checkpoint`."""
    client = await nats.connect(**place.nats_arguments())
    try:
        reports = []
        for service in services:
            keys = read_log_keys(place.key_files(service))
            reports.append(
                await verify(
                    place.log_config(service),
                    log_key=keys.vkey,
                    # A stolen key's head from before the theft, kept by a witness, is what the log is held to.
                    other_keys=(*keys.good, *keys.stolen),
                    checkpoint=checkpoint,
                    head_path=place.head_directory / service / "head",
                    nats=client,
                    api=place.streams_api,
                    progress=lambda done, total, what=service: tell(what, done, total),  # type: ignore[misc]
                )
            )
        return reports
    finally:
        await client.close()


def as_document(reports: Sequence[VerifyReport]) -> dict[str, Any]:
    """What --json prints: whether all is well, and each service's report."""
    return {
        "ok": all(report.ok for report in reports),
        "services": {report.service: report.to_json() for report in reports},
    }


def tell_report(report: VerifyReport) -> None:
    """One log in one line; what is wrong with it in more."""
    root = report.root.hex()[:12]
    signed = report.checkpoint.size if report.checkpoint else None
    head = "head signed" if signed == report.size else f"signed head at {signed}" if signed else "no signed head"
    if signed is None and any(problem.kind == "checkpoint" for problem in report.problems):
        head = "head not accepted"
    stream = {True: "stream identical", False: "stream differs", None: "stream not looked at"}[report.stream_identical]
    if report.stream is not None and report.stream.behind:
        stream += f", {report.stream.behind} behind"
    mark = "✓" if report.ok else "✗"
    out.print(f"{report.service:<11}{report.size:>7} events  root {root}…  {head}, {stream}  {mark}", markup=False)
    for problem in report.problems:
        where = f"position {problem.position}: " if problem.position is not None else ""
        out.print(f"  {problem.kind}: {where}{problem.message}", markup=False)
    if report.problem_count > len(report.problems):
        out.print(f"  … and {report.problem_count - len(report.problems)} more")


def _replay(
    data: Data = None,
    service: Service = None,
    until: Annotated[
        str | None,
        typer.Option("--until", help="A position (with --service), or a time such as 2026-11-01T09:00+08:00."),
    ] = None,
    swap: Annotated[bool, typer.Option("--swap", help="Put the rebuilt tables in the place of the live ones.")] = False,
    source: Annotated[
        str,
        typer.Option("--from", help="Where the events come from: postgresql, stream, or bundle:DIRECTORY (or a ZIP)."),
    ] = "postgresql",
    hashes: Annotated[bool, typer.Option("--hashes", help="Print the content hash of every table.")] = False,
    as_json: Json = False,
) -> None:
    """Fold every read model from its history again and compare it with the live one, row by row."""
    services = chosen(service)
    moment = moment_of(until, services)
    if swap and until is not None:
        raise typer.BadParameter("--swap goes to the end of the log, not --until")
    with located(data) as place, progress(not as_json) as tell:
        try:
            elsewhere = Elsewhere.named(source, place)
        except SourceUnknown as error:
            raise typer.BadParameter(str(error)) from None
        reports = asyncio.run(
            replay_all(place, services, tell, until=moment, swap=swap, elsewhere=elsewhere, hashes=hashes)
        )
    if as_json:
        print_json({"ok": all(one.ok for one in reports), "services": {one.service: one.to_json() for one in reports}})
    else:
        for report in reports:
            _tell_replay(report)
    if not all(report.ok for report in reports):
        raise typer.Exit(CHECK_FAILED)


def moment_of(until: str | None, services: Sequence[str]) -> int | datetime | None:
    """A position of one service's log, or a time. Raises typer.BadParameter."""
    if until is None:
        return None
    if until.isdigit():
        if len(services) != 1:
            raise typer.BadParameter("a position is one service's: say --service")
        return int(until)
    try:
        moment = datetime.fromisoformat(until)
        # Times are shown as people in Tianjin read them, and so they are typed.
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=SHANGHAI)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{until!r} is neither a position nor a time; write one as 600, 2026-11-01 or 2026-11-01T09:00+08:00"
        ) from None


async def replay_all(
    place: Place,
    services: Sequence[str],
    tell: Tell,
    *,
    until: int | datetime | None = None,
    swap: bool = False,
    elsewhere: "Elsewhere | None" = None,
    hashes: bool = False,
) -> list[ReplayReport]:
    """Replay these services' read models, one after the other. `elsewhere`: from there instead of PostgreSQL."""
    from servicekit.migrate import definition_of  # loads the services: nothing that other commands should wait for

    client = await nats.connect(**place.nats_arguments())
    try:
        return [
            await replay(
                place.log_config(service, "migrator"),
                definition_of(service).read_models,
                until=until,
                swap=swap,
                progress=lambda done, total, what=service: tell(what, done, total),  # type: ignore[misc]
                nats=client,
                api=place.streams_api,
                own=None if elsewhere is None else elsewhere.reader(service, client),
                copies=None if elsewhere is None else {name: elsewhere.reader(name, client) for name in SERVICES},
                hashes=hashes,
            )
            for service in services
        ]
    finally:
        await client.close()


def tell_replay_line(report: ReplayReport) -> None:
    """One service's replay in one line."""
    equal = sum(one.equal is True for one in report.tables)
    compared = f"{equal} of {len(report.tables)} tables equal" if report.compared else f"{len(report.tables)} tables"
    what = f"{compared}, swapped in" if report.swapped else compared
    mark = "✓" if report.ok else "✗"
    out.print(
        f"{report.service:<11}{report.events:>7} events folded in {report.seconds:.1f} s, {what}  {mark}", markup=False
    )


def _tell_replay(report: ReplayReport) -> None:
    tell_replay_line(report)
    heard = "".join(f", {source} to {position}" for source, position in report.heard.items())
    out.print(f"  up to position {report.position}{heard}", markup=False)
    if report.note:
        out.print(f"  {report.note}", markup=False)
    hashed = any(one.content_sha256 for one in report.tables)
    table = Table("table", "from", "rows", "live", "equal", *(["content sha256"] if hashed else []))
    for one in report.tables:
        live = "–" if one.live_rows is None else str(one.live_rows)
        equal = {True: "yes", False: "NO", None: "–"}[one.equal]
        table.add_row(one.name, one.source, str(one.rows), live, equal, *([one.content_sha256 or ""] if hashed else []))
    out.print(table)
    if report.schema:
        out.print(f"  the tables are in schema {report.schema}")
