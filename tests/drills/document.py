"""`python -m tests.drills.document`: write the table of drills into docs/auditing.md."""

import sys
from pathlib import Path

from tests.drills.checks import CHECKS
from tests.drills.table import DRILLS

DOCUMENT = Path(__file__).parents[2] / "docs" / "auditing.md"
BEGIN = "<!-- written by `python -m tests.drills.document` from tests/drills/table.py -->\n"
END = "<!-- end of the drills -->\n"


def table() -> str:
    """The checks, and which of them catches what, in Markdown."""
    checks = [f"| {check.name} | {check.what} |" for check in CHECKS]
    drills = [
        "| " + " | ".join([drill.name, *("✓" if check.name in drill.caught_by else "–" for check in CHECKS)]) + " |"
        for drill in DRILLS
    ]
    head = "| what was done | " + " | ".join(check.name for check in CHECKS) + " |"
    columns = "|---|" + "---|" * len(CHECKS)
    return "\n".join(["| check | what is done |", "|---|---|", *checks, "", head, columns, *drills, ""])


def put_into(text: str) -> str:
    """The document with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(put_into(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"written: {DOCUMENT.name}\n")
