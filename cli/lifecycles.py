"""`python -m cli.lifecycles [--check]`: draw each lifecycle into its service's README, from the table that rules it."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from services.ledger.decider import drawing as ledger
from services.orders.decider import drawing as orders
from services.volunteers.decider import drawing as volunteers

ROOT = Path(__file__).resolve().parent.parent
DRAWN: Mapping[str, Callable[[str], str]] = {
    "services/ledger/README.md": ledger.put_into,
    "services/orders/README.md": orders.put_into,
    "services/volunteers/README.md": volunteers.put_into,
}
"""README → what puts its drawing into it."""


def stale(root: Path = ROOT) -> dict[str, str]:
    """README → its new text, for every one whose drawing is not current."""
    texts = {path: (root / path).read_text(encoding="utf-8") for path in DRAWN}
    drawn = {path: put_into(texts[path]) for path, put_into in DRAWN.items()}
    return {path: text for path, text in drawn.items() if text != texts[path]}


def main(arguments: list[str] | None = None) -> int:
    """Draw; with --check only say what is not current, and exit with 1."""
    parser = argparse.ArgumentParser(prog="python -m cli.lifecycles", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a drawing is not current")
    asked = parser.parse_args(arguments)
    found = stale()
    for path, text in found.items():
        if asked.check:
            sys.stderr.write(f"not current: {path}; run `make contracts` and commit\n")
        else:
            (ROOT / path).write_text(text, encoding="utf-8")
            sys.stdout.write(f"drawn: {path}\n")
    return 1 if found and asked.check else 0


if __name__ == "__main__":
    sys.exit(main())
