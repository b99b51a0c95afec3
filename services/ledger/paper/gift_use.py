"""去向: what became of the money that a gift was put among (慈善法 §42), with the proof of every entry that says so.

A gift for a purpose lies with all others for that purpose, and one for no purpose with all such gifts of its fund: in
one pot (ledger README). The set holds every entry of the fund's book up to one signed head. Their numbers have no gap,
so nothing is left out; anybody can add them up again; and they name nobody, as the open books do not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from contracts.ledger import EntryPosted, EntryReversed
from eventstore.checkpoint import Checkpoint
from eventstore.note import parse_note
from eventstore.tlog_proof import make_receipt
from servicekit.printing import print_sheet
from services.ledger.chart_of_accounts import chart
from services.ledger.paper.amounts import figures
from services.ledger.paper.gift import Setting
from services.ledger.paper.kinds import KINDS
from services.ledger.posting_rules import ASSETS, GOODS, UNRESTRICTED, pot_of

_SHEET = Path(__file__).parent / "gift_use.typ"
SHOWN_MAX = 400
"""So many lines stand on the paper; all are in the set."""
_BEGINNING = (1980, 1, 1, 0, 0, 0)
EXPENSE = "expense:"

BookEntries = Sequence[tuple[int, bytes, EntryPosted | EntryReversed]]
"""Position, exact bytes and content of each entry of the fund's book, in order."""


@dataclass(frozen=True, slots=True)
class Spent:
    """An entry that spent from the pot, 分; less than nothing: it came back."""

    entry_no: int
    position: int
    effective_date: date
    kind: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class GiftUse:
    """What came into a gift's pot and left it, up to entry `last_no`; and each spending after the gift."""

    gift_no: int
    gift_fen: int
    gift_date: date
    fund: str
    pot: str
    last_no: int
    came_fen: int
    spent_fen: int
    since: tuple[Spent, ...]

    @property
    def since_fen(self) -> int:
        """What was spent from the pot after the gift, 分."""
        return sum(one.amount_fen for one in self.since)

    @property
    def left_fen(self) -> int:
        """What is left in the pot, 分."""
        return self.came_fen - self.spent_fen


def use_of(gift_no: int, entries: BookEntries) -> GiftUse:
    """Add up the pot of the gift that entry `gift_no` took in. Raises ValueError when it is not among them."""
    gift = next((entry for _, _, entry in entries if entry.entry_no == gift_no), None)
    income = None if gift is None else next((one for one in gift.postings if not one.account.startswith(ASSETS)), None)
    if gift is None or income is None or income.fund is None:
        raise ValueError(f"entry {gift_no} took in no gift")
    fund, pot = income.fund, pot_of(income.account)
    came, spent, since = 0, 0, list[Spent]()
    for position, _, entry in entries:
        lines = [
            one
            for one in entry.postings
            if one.fund == fund and not one.account.startswith(ASSETS) and pot_of(one.account) == pot
        ]
        went = sum(one.amount for one in lines if one.account.startswith(EXPENSE))
        came -= sum(one.amount for one in lines) - went
        spent += went
        if went and entry.entry_no > gift_no:
            since.append(Spent(entry.entry_no, position, entry.effective_date, entry.kind, went))
    last = entries[-1][2].entry_no
    return GiftUse(gift_no, -income.amount, gift.effective_date, fund, pot, last, came, spent, tuple(since))


def use_files(
    use: GiftUse, entries: BookEntries, proofs: Mapping[int, Sequence[bytes]], note: str, setting: Setting
) -> dict[str, bytes]:
    """The set: file name → content. Equal books and heads give equal bytes. Blocks: it prints the paper."""
    summary = json.dumps(_summary(use, note), ensure_ascii=False, indent=1)
    files = {"where-it-went.json": summary.encode() + b"\n", "where-it-went.pdf": print_use(use, note, setting)}
    for position, body, entry in entries:
        files[f"entries/{entry.entry_no}.entry"] = body
        proof = make_receipt(position, proofs[position], note)
        files[f"entries/{entry.entry_no}.tlog-proof"] = str(proof).encode()
    return files


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The set as one file, the same for the same content."""
    made = BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(ZipInfo(name, _BEGINNING), content, ZIP_DEFLATED)
    return made.getvalue()


def print_use(use: GiftUse, note: str, setting: Setting) -> bytes:
    """The paper as PDF/A-2b, of the set or alone. Blocks."""
    head = Checkpoint.parse(parse_note(note).text)
    fund = chart().fund(use.fund)
    purposes = {purpose.code: purpose.name for purpose in fund.purposes}
    where = {UNRESTRICTED: "不限定用途的款项", GOODS: "物资（申报价值）"}.get(
        use.pot
    ) or f"用于{purposes[use.pot]}的款项"
    content = {
        "community": setting.community,
        "day": list(use.gift_date.timetuple()[:3]),
        "restricted": use.pot not in {UNRESTRICTED, GOODS},
        "rows": [
            ["您的捐赠", f"基金账第 {use.gift_no} 号，{use.gift_date.isoformat()}，{figures(use.gift_fen)} 元"],
            ["在哪里", f"{fund.name}，{where}"],
            ["截至", f"基金账第 {use.last_no} 号分录（检查点包含 {head.size} 个事件）"],
            ["从您捐赠以后支出", f"{figures(use.since_fen)} 元，{len(use.since)} 笔"],
            ["现在还剩", f"{figures(use.left_fen)} 元（历来收 {figures(use.came_fen)}，支 {figures(use.spent_fen)}）"],
        ],
        "lines": [
            [str(one.entry_no), one.effective_date.isoformat(), KINDS.get(one.kind, one.kind), figures(one.amount_fen)]
            for one in use.since[:SHOWN_MAX]
        ],
        "left_out": max(0, len(use.since) - SHOWN_MAX),
        "origin": head.origin,
        "root": head.root.hex(),
        "vkey": setting.vkey,
        "fund_url": setting.fund_url,
    }
    return print_sheet(_SHEET, content)


def _summary(use: GiftUse, note: str) -> dict[str, Any]:
    head = Checkpoint.parse(parse_note(note).text)
    told = {name: value for name, value in asdict(use).items() if name not in {"gift_date", "since"}}
    spent = [{**asdict(one), "effective_date": one.effective_date.isoformat()} for one in use.since]
    totals = {"since_fen": use.since_fen, "left_fen": use.left_fen}
    return {"origin": head.origin, "size": head.size, "root": head.root.hex(), **told, **totals, "since": spent}
