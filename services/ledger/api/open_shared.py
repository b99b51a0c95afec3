"""What the fund's public pages share: pages, money in yuan, files that never change."""

from collections.abc import Sequence
from importlib import resources
from uuid import UUID

from jinja2 import DictLoader, Environment, StrictUndefined

from servicekit.definition import Runtime

FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
A_WHILE = {"cache-control": "public, max-age=10"}
_PAGES = ("fund.html", "check.html", "statements.html", "statement.html", "due.html")


def page_file(*names: str) -> bytes:
    """A file of the pages."""
    return resources.files("services.ledger").joinpath("pages", *names).read_bytes()


TEMPLATES = Environment(
    loader=DictLoader({name: page_file(name).decode() for name in _PAGES}),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def yuan(fen: int) -> str:
    """Money for people: 1,234.50."""
    sign = "−" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


async def public_words(runtime: Runtime, refs: Sequence[UUID | None]) -> dict[UUID, str]:
    """The public words of corrections (令81 §16): they lie in the vault under a commitment."""
    opened = await runtime.vault.open_many([ref for ref in refs if ref is not None])
    return {ref: fields["explanation"] for ref, fields in opened.items() if "explanation" in fields}
