"""audit: a bundle to take away, its check without any server, and the rules held against what happened."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.audit.run import audit
from cli.bundle.checking import BundleUnreadable, check
from cli.bundle.comparing import compare
from cli.bundle.exporting import BundleExists, export
from cli.bundle.unpacking import opened
from cli.commands.options import Data, Json
from cli.commands.witness import policy_text
from cli.output import in_words, out, print_json, progress
from cli.place import located
from eventstore.trust_policy import PolicyError, read_trust_policy

CHECK_FAILED = 1
NOT_IN_A_BUNDLE = (
    "a bundle holds no personal data (names show as unknown), no dead letters,",
    "and no answers kept for repeated requests",
)
Bundle = Annotated[
    Path, typer.Argument(help="The bundle: a directory, or a ZIP of one.", exists=True, metavar="BUNDLE")
]
audit_app = typer.Typer(
    help="Take the logs away, check what was taken, hold the rules against them.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(audit_app, name="audit")


@audit_app.command("export")
def export_bundle(
    target: Annotated[Path, typer.Argument(help="The directory to make.", metavar="DIRECTORY")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write a bundle: every event's bytes, hashes, signed heads, keys, both books for hledger and beancount, tables."""
    policy = policy_text(data)
    with located(data) as place, progress(not as_json) as tell:
        try:
            sizes = asyncio.run(export(place, policy, target, tell))
        except BundleExists as error:
            raise typer.BadParameter(str(error)) from None
    if as_json:
        print_json({"bundle": str(target), "events": sizes})
    else:
        out.print(f"{target}: {', '.join(f'{service} {size}' for service, size in sizes.items())} events", markup=False)


@audit_app.command("verify")
def verify_bundle(
    bundle: Bundle,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Your own policy; without it the bundle's is taken, which proves less."),
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(
            "--before", help="A bundle taken earlier, which this one must continue; a directory or a ZIP.", exists=True
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a bundle without any server: bytes, hashes, heads, signatures, books. Ends with 1 if anything is wrong."""
    try:
        with opened(bundle) as directory:
            checked = check(directory, _kept(policy))
            if before is not None:
                with opened(before) as earlier:
                    checked.problems += compare(directory, earlier)
    except BundleUnreadable as error:
        raise typer.BadParameter(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(in_words(error)) from None
    if as_json:
        print_json(
            {
                "ok": checked.ok,
                "events": checked.sizes,
                "witnesses": checked.witnesses,
                "tables": checked.tables,
                "problems": checked.problems,
            }
        )
    else:
        for service, size in checked.sizes.items():
            signed = ", ".join(checked.witnesses[service]) or "尚无外部见证 · no outside witness"
            out.print(f"{service:<11}{size:>8} events  {signed}", markup=False)
        if not checked.tables:
            out.print("没有事件表 · no tables of events: a bundle of the first kind", markup=False)
        for problem in checked.problems:
            out.print(f"✗ {problem}", markup=False)
        if checked.ok:
            tables = "head, book and table" if checked.tables else "head and book"
            out.print(f"✓ every event, hash, {tables} is as it should be", markup=False)
    if not checked.ok:
        raise typer.Exit(CHECK_FAILED)


def _kept(policy: Path | None) -> str | None:
    """One's own policy, whole. Raises typer.BadParameter, naming its file and not the bundle."""
    if policy is None:
        return None
    try:
        text = policy.read_text(encoding="utf-8")
        read_trust_policy(text)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(in_words(error, policy), param_hint="--policy") from None
    except PolicyError as error:
        raise typer.BadParameter(f"{policy}: {error}", param_hint="--policy") from None
    return text


@audit_app.command("import")
def put_in(
    bundle: Bundle,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Your own policy; without it the bundle's is taken, which proves less."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a bundle's logs into an empty system, its services not running, and fold its read models.

    The bundle is checked first; a system that holds anything else is refused. Safe to run again.
    """
    # Loads the services: nothing others should wait for.
    from cli.bundle.importing import empty_place, import_bundle, require_whole

    try:
        wanted = _kept(policy)
        with opened(bundle) as directory:
            require_whole(directory, wanted)
            with empty_place(data) as place, progress(not as_json) as tell:
                found = asyncio.run(import_bundle(place, directory, tell))
    except BundleUnreadable as error:
        raise typer.BadParameter(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(in_words(error)) from None
    if as_json:
        print_json({"ok": True, "services": {one.service: one.to_json() for one in found}})
        return
    for one in found:
        out.print(f"{one.service:<11}{one.size:>8} events  root {one.root[:12]}…  ✓", markup=False)
        out.print(
            f"  signed from now on by {one.key}{'' if one.same_key else ': another key than before'}", markup=False
        )
        for orphan in one.orphans:
            out.print(f"  {one.service}/{orphan.position} {orphan.type} stands, what caused it is lost", markup=False)
    if not all(one.same_key for one in found):
        out.print(
            "give out `chaoyangli trust-policy` anew: readers and witnesses believe other keys so far", markup=False
        )
    for line in NOT_IN_A_BUNDLE:
        out.print(f"  {line}", markup=False)


@audit_app.command("rules")
def hold_rules(data: Data = None, as_json: Json = False) -> None:
    """Hold every rule of orders, hours, stars and measures against the logs. Ends with 1 when one was broken."""
    with located(data) as place, progress(not as_json) as tell:
        found = asyncio.run(audit(place, tell, open_allowed=True))
    if as_json:
        print_json({"ok": not found, "breaches": found})
    else:
        for breach in found:
            out.print(f"✗ {breach}", markup=False)
        out.print(f"{len(found)} breaches" if found else "✓ no rule was broken", markup=False)
    if found:
        raise typer.Exit(CHECK_FAILED)
