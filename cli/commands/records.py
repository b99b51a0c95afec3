"""export, import: whole records of volunteers (民政部令第67号) as files."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, cast, get_args
from uuid import UUID

import typer

from cli.client import Client
from cli.commands.options import Data, Json
from cli.output import err, out, print_json, print_line, progress
from cli.place import Place, located
from cli.records.checking import Check, Tell
from cli.records.exporting import Format, Rows, private_file, rows_of, volunteers_of
from cli.records.importing import Import, Tally
from cli.records.mapping import Mapping, MappingWrong, mapping_of
from cli.records.problems import FileWrong, Problem
from cli.records.reading import ENCODINGS, RecordsFile
from servicekit.policy import PolicyInvalid, policy_text
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key
from services.volunteers.commands.words import AgePolicy, ConsentForm
from services.volunteers.policy import POLICY

CHECK_FAILED = 1
FORMS = get_args(ConsentForm)
SOURCE_CODE = r"[a-z0-9_:.\-]{1,64}"

export_app = typer.Typer(help="Write what is kept here into files.", no_args_is_help=True)
import_app = typer.Typer(help="Take in what other apps keep.", no_args_is_help=True)

MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping", help="Another mapping of columns, in YAML.", exists=True, dir_okay=False, show_default=False
    ),
]
Who = Annotated[UUID, typer.Option("--actor", help="The STATION_MANAGER who answers for it, by id.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(export_app, name="export")
    app.add_typer(import_app, name="import")


@export_app.callback()
def _export() -> None:
    """Write what is kept here into files."""


@import_app.callback()
def _import() -> None:
    """Take in what other apps keep."""


@export_app.command(name="volunteer-records")
def export_records(
    actor: Who,
    data: Data = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; standard output when not given.", dir_okay=False)
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="csv or json; by the file's name, else csv.", show_default=False)
    ] = None,
    volunteer: Annotated[
        str | None, typer.Option("--volunteer", help="One volunteer's number; all when not given.", show_default=False)
    ] = None,
    mapping: MappingFile = None,
) -> None:
    """Write the records of all volunteers, or of one, in the groups of 令67. It holds whole names: keep it safe."""
    chosen = _format(form, output)
    columns = _mapping(mapping)
    if any(column.unit == "hours" for column in columns.written):
        raise typer.BadParameter("a mapping with unit: hours is for imports: minutes are written as minutes")
    with located(data, running=True) as place:
        people, rows = asyncio.run(_exported(place, actor, output, chosen, volunteer, columns))
    err.print(f"{people} volunteers, {rows} rows")
    if volunteer is not None and not people:
        err.print(f"chaoyangli: there is no volunteer {volunteer}", markup=False)
        raise typer.Exit(CHECK_FAILED)


async def _exported(
    place: Place, actor: UUID, output: Path | None, chosen: Format, volunteer: str | None, mapping: Mapping
) -> tuple[int, int]:
    people = 0
    async with _client(place) as client:
        with private_file(output) as file:
            rows = Rows(file, mapping, chosen)
            rows.begin()
            async for one in volunteers_of(client, actor, volunteer):
                people += 1
                for row in rows_of(one):
                    rows.write(row)
            rows.end()
    return people, rows.written


@import_app.command(name="volunteer-records")
def import_records(
    file: Annotated[Path, typer.Argument(help="CSV or JSON (by its name).", exists=True, dir_okay=False)],
    data: Data = None,
    actor: Annotated[
        UUID | None, typer.Option("--actor", help="The STATION_MANAGER who answers for it, by id.", show_default=False)
    ] = None,
    consent: Annotated[
        str | None,
        typer.Option("--consent", help=f"How the volunteers agreed to come: {', '.join(FORMS)}.", show_default=False),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is wrong; nothing is asked or written.")
    ] = False,
    source: Annotated[
        str | None, typer.Option("--source", help="Whose records these are, as a code; the mapping's when not given.")
    ] = None,
    encoding: Annotated[str, typer.Option("--encoding", help="utf-8 or gb18030.")] = "utf-8",
    mapping: MappingFile = None,
    as_json: Json = False,
) -> None:
    """Take volunteers of another app in, with what it had recorded of them: kept as 外部记录, counted nowhere.

    The whole file is checked first; with anything wrong nothing is written. A second run changes nothing.
    """
    if encoding not in ENCODINGS:
        raise typer.BadParameter(f"--encoding is {' or '.join(ENCODINGS)}")
    columns = _mapping(mapping)
    records = RecordsFile(file, columns, encoding)
    source = _source(source or columns.source)
    checked = _checked(records, source, as_json=as_json)
    if check or checked.problems:
        _tell_check(checked, as_json=as_json)
        raise typer.Exit(CHECK_FAILED if checked.problems else 0)
    if actor is None or consent is None or consent not in FORMS:
        raise typer.BadParameter(f"an import takes --actor and --consent ({', '.join(FORMS)}); or say --check")
    tally = Tally()
    try:
        with located(data, running=True) as place:
            asyncio.run(_imported(place, checked, actor, consent, tally, as_json=as_json))
    finally:
        _tell_tally(checked, tally, as_json=as_json)
    if tally.refused:
        raise typer.Exit(CHECK_FAILED)


def _checked(records: RecordsFile, source: str, *, as_json: bool) -> Check:
    """The file read through once. Reading ends at what cannot be read."""
    check = Check(records, _teller(as_json=as_json), source=source, ages=_ages())
    try:
        for _ in check.volunteers():
            pass
    except FileWrong as wrong:
        check.problems += 1
        _teller(as_json=as_json)(wrong.problem)
    if records.ignored:
        err.print(f"not read: {', '.join(records.ignored)}", markup=False)
    return check


async def _imported(
    place: Place, checked: Check, actor: UUID, consent_form: str, tally: Tally, *, as_json: bool
) -> None:
    records, tell_problem = checked.file, _teller(as_json=as_json)
    again = Check(records, tell_problem, source=checked.source, ages=checked.ages, today=checked.today)
    async with _client(place) as client:
        with progress(not as_json) as tell:

            def moved() -> None:
                tell("volunteers", tally.done + tally.skipped + tally.refused, checked.people)

            running = Import(client, actor, consent_form, records.sha256(), tell_problem)
            await running.run(again.volunteers(), tally, moved)


def _client(place: Place) -> Client:
    return Client(place.urls, load_issuer_key(place.secrets_dir / ISSUER_KEY))


def _ages() -> AgePolicy:
    try:
        return POLICY.read(policy_text()).ages
    except PolicyInvalid as invalid:
        err.print(str(invalid), markup=False)
        raise typer.Exit(CHECK_FAILED) from None


def _mapping(path: Path | None) -> Mapping:
    try:
        return mapping_of(path)
    except MappingWrong as wrong:
        err.print(str(wrong), markup=False)
        raise typer.Exit(CHECK_FAILED) from None


def _format(form: str | None, output: Path | None) -> Format:
    chosen = form or ("json" if output is not None and output.suffix.lower() == ".json" else "csv")
    if chosen not in get_args(Format):
        raise typer.BadParameter("--format is csv or json")
    return cast(Format, chosen)


def _source(code: str) -> str:
    if re.fullmatch(SOURCE_CODE, code) is None:
        raise typer.BadParameter("--source is a code of small letters, digits and any of _ : . -")
    return code


def _teller(*, as_json: bool) -> Tell:
    def tell(problem: Problem) -> None:
        if as_json:
            print_json({"problem": problem.as_json()})
        else:
            print_line(str(problem))

    return tell


def _tell_check(check: Check, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"ok": not check.problems, "rows": check.rows, "volunteers": check.people, "problems": check.problems}
        )
    elif check.problems:
        out.print(f"{check.problems} problems in {check.rows} rows; nothing was written", markup=False)
    else:
        out.print(f"ok: {check.rows} rows of {check.people} volunteers can be imported", markup=False)


def _tell_tally(check: Check, tally: Tally, *, as_json: bool) -> None:
    left = check.people - tally.done - tally.skipped - tally.refused
    if as_json:
        figures = {"done": tally.done, "skipped": tally.skipped, "refused": tally.refused, "left": left}
        print_json({"ok": not (tally.refused or left), "rows": check.rows, **figures})
        return
    out.print(f"{tally.done} imported, {tally.skipped} here already, {tally.refused} refused", markup=False)
    if left:
        out.print(f"{left} not tried: the same command goes on with them", markup=False)
