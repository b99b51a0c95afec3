"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

from cli.place import SERVICES

POSITION_MAX = 2**63 - 1
"""Of a log's positions, which are bigint in PostgreSQL."""


def _directory(text: str) -> Path:
    if not text:
        raise typer.BadParameter("an empty name: leave --data out for .chaoyangli")
    if Path(text).is_file():
        raise typer.BadParameter(f"{text} is a file, not a directory")
    return Path(text)


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The data directory; .chaoyangli when not given.",
        show_default=False,
        parser=_directory,
        metavar="DIRECTORY",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
Service = Annotated[
    str | None, typer.Option("--service", help=f"One of {', '.join(SERVICES)}; all when not given.", show_default=False)
]


def chosen(service: str | None) -> tuple[str, ...]:
    """The services meant. Raises typer.BadParameter for a name that is none."""
    if service is None:
        return SERVICES
    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service!r}: {', '.join(SERVICES)}")
    return (service,)
