"""Where a gift went, checked from the set alone: every entry in the log, none missing, and added up again.

Shares no line with the service that made the set: what an entry does to a pot is read here from its own JSON.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eventstore.tlog_proof import Proven, ReceiptInvalid, TlogProof
from eventstore.trust_policy import TrustPolicy

FUND = "fund"
SUMMARY = "where-it-went.json"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a set proves: of the gift's pot, in 分; the head that it was proved to; how many entries."""

    proven: Proven
    gift_no: int
    entries: int
    since_fen: int
    left_fen: int


def check_use(directory: Path, policy: TrustPolicy) -> Shown:
    """Check a set and add it up. Raises ReceiptInvalid, saying what fails."""
    told = _told(directory)
    entries, heads = list[dict[str, Any]](), set[str]()
    proven: Proven | None = None
    for number in range(1, _whole(told, "last_no") + 1):
        try:
            body = (directory / "entries" / f"{number}.entry").read_bytes()
            text = (directory / "entries" / f"{number}.tlog-proof").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ReceiptInvalid(f"entry {number} is missing: {error}") from None
        proof = TlogProof.parse(text)
        try:
            before, proven = proven, proof.check(body, policy)
        except ReceiptInvalid as error:
            raise ReceiptInvalid(f"entry {number}: {error}") from None
        heads.add(proof.checkpoint)
        entries.append(_entry(body, number))
        if before is not None and before.position >= proven.position:
            raise ReceiptInvalid(f"entry {number} stands before entry {number - 1}")
    if proven is None or len(heads) != 1:
        raise ReceiptInvalid(f"{len(heads)} heads: all entries are proved to one")
    found = _added_up(entries, _whole(told, "gift_no"))
    told["since"] = _listed(told)
    for name, value in found.items():
        if told.get(name) != value:
            raise ReceiptInvalid(f"{SUMMARY} says {name} {told.get(name)!r}, the entries say {value!r}")
    return Shown(proven, _whole(told, "gift_no"), len(entries), found["since_fen"], found["left_fen"])


def _told(directory: Path) -> dict[str, Any]:
    try:
        told = json.loads((directory / SUMMARY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReceiptInvalid(
            f"{directory} is no set that shows where a gift went: it holds no {SUMMARY}; of a receipt, name the"
            " .tlog-proof file"
        ) from None
    except (OSError, ValueError) as error:
        raise ReceiptInvalid(f"{directory / SUMMARY}: {error}") from None
    if not isinstance(told, dict):
        raise ReceiptInvalid(f"{directory / SUMMARY} holds no object")
    return told


def _whole(told: dict[str, Any], name: str) -> int:
    value = told.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ReceiptInvalid(f"{SUMMARY}: {name} is no number from 1: {value!r}")
    return value


def _listed(told: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Entry number and amount of each spending that the set lists."""
    try:
        return [(one["entry_no"], one["amount_fen"]) for one in told["since"]]
    except (KeyError, TypeError):
        raise ReceiptInvalid(f"{SUMMARY}: the list of what was spent is off") from None


def _entry(body: bytes, number: int) -> dict[str, Any]:
    event = json.loads(body)  # proved above: it is an event of a log that is trusted
    data: dict[str, Any] = event["data"]
    if event["type"] not in {"EntryPosted", "EntryReversed"} or data["book"] != FUND:
        raise ReceiptInvalid(f"entry {number} is no entry of the fund's book")
    if data["entry_no"] != number:
        raise ReceiptInvalid(f"entry {number} is entry {data['entry_no']}")
    return data


def _pot(account: str) -> str:
    _, _, purpose = account.partition(":restricted:")
    return purpose or ("goods" if account.split(":")[1] == "in_kind" else "")


def _lines(entry: dict[str, Any]) -> Iterator[tuple[str, str, str, int]]:
    """Fund, pot, kind of account and amount of each line that is no asset."""
    for one in entry["postings"]:
        kind = one["account"].split(":")[0]
        if kind != "assets":
            yield one["fund"], _pot(one["account"]), kind, one["amount"]


def _added_up(entries: list[dict[str, Any]], gift_no: int) -> dict[str, Any]:
    if gift_no > len(entries):
        raise ReceiptInvalid(f"the gift's entry {gift_no} is not in the set")
    fund, pot, kind, credit = next(_lines(entries[gift_no - 1]))
    if kind != "income" or credit >= 0:
        raise ReceiptInvalid(f"entry {gift_no} took in no gift")
    came, spent, since = 0, 0, 0
    spendings = []
    for entry in entries:
        lines = [line for line in _lines(entry) if line[:2] == (fund, pot)]
        came -= sum(amount for _, _, of, amount in lines if of == "income")
        went = sum(amount for _, _, of, amount in lines if of == "expense")
        spent += went
        if went and entry["entry_no"] > gift_no:
            since += went
            spendings.append((entry["entry_no"], went))
    return {
        "fund": fund,
        "pot": pot,
        "gift_fen": -credit,
        "came_fen": came,
        "spent_fen": spent,
        "since_fen": since,
        "left_fen": came - spent,
        "since": spendings,
    }
