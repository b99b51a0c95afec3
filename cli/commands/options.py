"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

from cli.place import SERVICES
from cli.stack import StackError

Data = Annotated[
    Path | None, typer.Option("--data", help="The data directory; .chaoyangli when not given.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
Service = Annotated[
    str | None, typer.Option("--service", help=f"One of {', '.join(SERVICES)}; all when not given.", show_default=False)
]


def chosen(service: str | None) -> tuple[str, ...]:
    """The services meant. Raises StackError for a name that is none."""
    if service is None:
        return SERVICES
    if service not in SERVICES:
        raise StackError(f"there is no service {service!r}: {', '.join(SERVICES)}")
    return (service,)
