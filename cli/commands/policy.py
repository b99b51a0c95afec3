"""policy: read a policy file as the services will at their next start, and say what it changes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.commands.options import Json
from cli.output import err, out, print_json
from servicekit.policy import PolicyInvalid, PolicySection, PolicyText, changed, policy_text, settings_of, text_of
from services.ledger.policy import POLICY as LEDGER
from services.notify.policy import POLICY as NOTIFY
from services.orders.policy import POLICY as ORDERS
from services.volunteers.policy import POLICY as VOLUNTEERS

CHECK_FAILED = 1
SECTIONS: tuple[PolicySection[Any], ...] = (ORDERS, VOLUNTEERS, LEDGER, NOTIFY)

File = Annotated[
    Path | None,
    typer.Argument(help="A policy file; the one in force for this environment when not given.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(name="policy")(_policy)


def _policy(file: File = None, as_json: Json = False) -> None:
    """Check a policy file, every section of it, and list what differs from the shipped figures."""
    try:
        differences = differing(policy_text() if file is None else text_of(file))
    except PolicyInvalid as invalid:
        if as_json:
            print_json({"ok": False, "problems": str(invalid).splitlines()})
        else:
            err.print(str(invalid), markup=False)
        raise typer.Exit(CHECK_FAILED) from None
    if as_json:
        print_json({"ok": True, "differs": differences})
        return
    for code, (shipped, set_to) in differences.items():
        out.print(f"{code}: {_said(shipped)} → {_said(set_to)}", markup=False)
    out.print(f"ok: {len(differences)} of the shipped figures are set otherwise", markup=False)


def differing(text: PolicyText) -> dict[str, tuple[int | None, int | None]]:
    """`orders.offer_minutes` → (shipped, set to) of what is set otherwise. Raises PolicyInvalid with all problems."""
    problems: list[str] = []
    found: dict[str, tuple[int | None, int | None]] = {}
    for section in SECTIONS:
        try:
            policy = section.read(text)
        except PolicyInvalid as invalid:
            problems += [line for line in str(invalid).splitlines() if line not in problems]
            continue
        before, after = (
            {f"{section.service}.{one.code}": one.value for one in settings_of(figures)}
            for figures in (section.model(), policy)
        )
        found |= changed(before, after)
    if problems:
        raise PolicyInvalid("\n".join(problems))
    return found


def _said(value: int | None) -> str:
    return "–" if value is None else str(value)
