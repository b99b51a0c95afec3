"""账本存证回执: a gift's entry, its proof and how to check both, on a sheet that needs nobody's word.

What the sheet says is read from the entry's own bytes and the gift's events; the entry and its proof go along twice, as
files within the PDF and as QR symbols on it, so that paper alone is enough. It is no 捐赠票据 and says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from contracts.event import Event
from contracts.ledger import (
    DonationReceipted,
    DonationReceived,
    DonationRefunded,
    EntryPosted,
    InKindReceived,
    ReceiptWaived,
)
from eventstore.checkpoint import Checkpoint
from eventstore.merkle import leaf_hash
from eventstore.note import parse_note
from eventstore.tlog_proof import TlogProof
from servicekit.printing import print_sheet
from services.ledger.chart_of_accounts import chart
from services.ledger.paper.amounts import figures, in_words
from services.ledger.paper.symbols import PARTS_MAX, parts_of, symbol
from services.ledger.policy import HostCharity

_SHEET = Path(__file__).parent / "gift.typ"
_METHODS = {"bank_transfer": "银行转账", "cash": "现金", "cheque": "支票", "other": "其他", "goods": "物资"}


@dataclass(frozen=True, slots=True)
class Gift:
    """What the log says of a gift that came. `reversed_no`: the entry that took its entry back, if one did."""

    body: bytes
    entry: EntryPosted
    received: DonationReceived
    things: InKindReceived | None = None
    """What came, where it was no money."""
    receipt_no: str | None = None
    waived: bool = False
    refunded_fen: int = 0
    reversed_no: int | None = None


def gift_of(body: bytes, entry: EntryPosted, story: Iterable[Event], reversed_no: int | None = None) -> Gift:
    """Gather a gift from its entry, its own events and its lot's, in order. Raises ValueError when it never came."""
    found: dict[str, Any] = {}
    for event in story:
        match event:
            case InKindReceived():
                found["things"] = event
            case DonationReceived():
                found["received"] = event
            case DonationReceipted():
                found["receipt_no"] = event.receipt_no
            case ReceiptWaived():
                found["waived"] = True
            case DonationRefunded():
                found["refunded_fen"] = event.refunded_fen
            case _:
                pass
    if "received" not in found:
        raise ValueError(f"the gift behind entry {entry.entry_no} has no DonationReceived")
    return Gift(body, entry, reversed_no=reversed_no, **found)


@dataclass(frozen=True, slots=True)
class Setting:
    """Who prints: the community, its log's verifier key, the host charity and the fund's page where there are any."""

    community: str
    vkey: str
    host: HostCharity | None = None
    fund_url: str | None = None


def print_gift(
    gift: Gift, proof: TlogProof, witnesses: Sequence[str], setting: Setting, name: str | None = None
) -> bytes:
    """The sheet as PDF/A-3b. `name` only if the donor asks for it. Equal receipts give equal bytes. Blocks."""
    files = [{"name": file, "text": text} for file, text in receipt_files(gift, proof).items()]
    return print_sheet(_SHEET, _content(gift, proof, witnesses, setting, name), "a-3b", attached=files)


def receipt_files(gift: Gift, proof: TlogProof) -> dict[str, str]:
    """File name → text: the entry's exact bytes, and its way to a signed head (C2SP tlog-proof)."""
    stem = f"fund-{gift.entry.entry_no}"
    return {f"{stem}.tlog-proof": str(proof), f"{stem}.entry": gift.body.decode()}


def _content(
    gift: Gift, proof: TlogProof, witnesses: Sequence[str], setting: Setting, name: str | None
) -> dict[str, Any]:
    entry, head = gift.entry, Checkpoint.parse(parse_note(proof.checkpoint).text)
    leaf = leaf_hash(gift.body).hex()
    parts = parts_of(str(proof) + gift.body.decode())
    address = None if setting.fund_url is None else f"{setting.fund_url}check#{entry.entry_no}.{leaf}"
    day = entry.effective_date
    return {
        "community": setting.community,
        "day": [day.year, day.month, day.day],
        "warnings": _warnings(gift),
        "rows": _rows(gift, setting.host, name),
        "proof": {
            "origin": head.origin,
            "position": str(proof.index + 1),
            "size": str(head.size),
            "root": head.root.hex(),
            "leaf": leaf,
            "witnesses": "、".join(witnesses) or "尚无外部见证",
            "vkey": setting.vkey,
        },
        "address": None if address is None else {"text": address, "symbol": symbol(address)},
        "parts": [symbol(part) for part in parts] if len(parts) <= PARTS_MAX else [],
    }


def _rows(gift: Gift, host: HostCharity | None, name: str | None) -> list[list[str]]:
    entry, received = gift.entry, gift.received
    amount_fen = sum(posting.amount for posting in entry.postings if posting.amount > 0)
    fund = chart().fund(received.fund)
    purposes = {purpose.code: purpose.name for purpose in fund.purposes}
    rows = [
        ["捐赠票据号码", gift.receipt_no or ("捐赠人不要票据" if gift.waived else "尚未开具")],
        ["捐赠人", name or "本回执不记名"],
        ["金额", f"人民币 {figures(amount_fen)} 元"],
        ["大写", f"人民币{in_words(amount_fen)}"],
        ["到账日期", _day(entry.effective_date)],
        ["方式", _METHODS[received.method]],
        ["基金", fund.name],
        ["用途", purposes[received.purpose] if received.purpose is not None else "不限定用途"],
        ["款项所在", _whose(host)],
        ["分录号", f"基金账第 {entry.entry_no} 号"],
    ]
    if gift.things is not None:
        rows[2][0], rows[3][0] = "申报价值", "申报价值大写"
        rows.insert(2, ["物资", f"{gift.things.sku}，{gift.things.qty} 件"])
    return rows


def _whose(host: HostCharity | None) -> str:
    if host is None:
        return "本基金尚未接入有公开募捐资格的慈善组织"
    return (
        f"{host.name}（公开募捐资格证书 {host.certificate_no}，备案号 {host.filing_no}），账户尾号 {host.account_tail}"
    )


def _warnings(gift: Gift) -> list[str]:
    found = []
    if gift.refunded_fen:
        found.append(f"这笔捐赠已退还或冲减 {figures(gift.refunded_fen)} 元。")
    if gift.reversed_no is not None:
        found.append(f"这笔分录已由基金账第 {gift.reversed_no} 号分录冲销。")
    return found


def _day(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"
