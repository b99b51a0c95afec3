"""What can be done with the fund's money, and every table of the ledger folded anew: the same rows."""

from datetime import timedelta
from typing import Any

import nats

from contracts.command import SYSTEM, Role
from contracts.envelope import decode
from contracts.ids import uuid7
from contracts.volunteers import PersonMoved, ProxyAuthorised, ProxyEnded, RelationDeclared, RelationEnded
from eventstore.model import Metadata
from eventstore.replay import replay
from eventstore.streams import ensure_stream
from services.ledger.app import definition
from services.ledger.timers import due_of
from tests.ledger.aid_examples import APPROVER, CARER, NEIGHBOUR, SECOND, SIGNERS, THIRD
from tests.ledger.carried import refunding, reversing
from tests.ledger.counter import logged
from tests.ledger.examples import NOON
from tests.ledger.goods_examples import STAFF, STATION, WATCHER, WEAVER
from tests.ledger.office import AS_CARER, AS_CASHIER, AS_CLERK, AS_NEIGHBOUR, PAID, WORDS, Office, lives
from tests.support.servers import TestNats

Fields = dict[str, Any]


async def live_a_little(office: Office) -> None:
    """Cases to every end, a key that is ended, people who move and part."""
    counter = office.counter
    relation, authorisation = uuid7(), uuid7()
    between: Fields = {"relation_id": relation, "person_a_id": CARER, "person_b_id": THIRD, "kind": "spouse"}
    acts: Fields = {
        "proxy_authorisation_id": authorisation,
        "principal_id": NEIGHBOUR,
        "proxy_id": CARER,
        "scope": ("fund",),
    }
    by = Role.STATION_MANAGER
    await counter.hear(
        RelationDeclared(**between, role=by, declared_at=NOON),
        RelationEnded(**between, role=by, ended_at=NOON),
        ProxyAuthorised(**acts, role=Role.RESIDENT, authorised_at=NOON),
        ProxyEnded(**acts, role=Role.RESIDENT, ended_at=NOON),
        PersonMoved(person_id=CARER, household_id=uuid7(), role=by, moved_at=NOON),
        logged(),
    )
    voucher = {"voucher_sha256": ["cd" * 32]}
    closed = await office.paid(amount_fen=10_000)
    await counter.done(f"/aid-cases/{closed}/confirm-receipt", {}, *AS_NEIGHBOUR)
    seen = {"outcome": "need_continues", "report": "还在吃药。"}
    await counter.done(f"/aid-cases/{closed}/follow-up", seen, *AS_CARER)
    reversed_ = await office.paid(amount_fen=11_000)
    await office.reversing(reversed_, APPROVER, explanation=WORDS)
    await office.reversing(reversed_, SECOND)
    returned = await office.paid(amount_fen=12_000)
    back = {"amount_fen": 5_000, "method": "bank_transfer", "reason_code": "not_needed", **voucher}
    await counter.done(f"/aid-cases/{returned}/return", back, *AS_CASHIER)
    rejected = await office.ready(amount_fen=13_000)
    await office.approved(rejected)
    no = {"reason_code": "other_support"}
    await counter.done(f"/aid-cases/{rejected}/reject", no, THIRD, Role.FUND_APPROVER)
    amended = await office.ready(amount_fen=14_000)
    await office.approved(amended)
    await counter.done(f"/aid-cases/{amended}/amend", {"amount_fen": 14_500, "purpose": "hardship"}, *AS_CLERK)
    urgent = await office.applied(amount_fen=15_000, lane="urgent")
    await office.approved(urgent)
    await counter.done(f"/aid-cases/{urgent}/disburse", PAID, *AS_CASHIER)
    await counter.done(f"/aid-cases/{urgent}/publicize", {"publicity": "waived", "reason_code": "illness"}, *AS_CLERK)
    lapsed = await office.ready(amount_fen=16_000)
    await office.approved(lapsed, APPROVER)
    await office.later(days=31)
    runtime = counter.runtime
    for due in await due_of(runtime)(office.now, 10):
        await runtime.executor.execute(due.build, Metadata(actor=SYSTEM.actor))
    moved = {"origin": "bank_transfer", "target": "cash", "amount_fen": 2_000, **voucher}
    await counter.done("/funds/fund-relief/move", moved, *AS_CASHIER)
    ended = {"person_id": str(THIRD), "reason_code": "left_office"}
    key_id = SIGNERS[THIRD].key.key_id
    await counter.done(f"/signing-keys/{key_id}/revoke", ended, THIRD, Role.FUND_APPROVER)
    await hold_a_market(office)
    await reconcile_the_bank(office)
    await give_things(office)
    await give_back(office)
    await tell_everybody(office)


async def tell_everybody(office: Office) -> None:
    """A statement, a gift entered late, the correction; and the draft of another."""
    counter, days = office.counter, "{0}..{0}".format((office.now - timedelta(days=1)).date())
    late = {"effective_date": days[:10]}
    for path, said in (("publish", {}), ("correct", {"reason_code": "late_entry", "explanation": WORDS})):
        drafted = await counter.done(f"/statements/{days}/{path}", said, *AS_CLERK)
        read = {"statement_sha256": drafted["statement_sha256"]}
        await counter.done(f"/statements/{days}/{path}", read, WATCHER, Role.SUPERVISOR)
        await counter.given(receive=late)
    await counter.done(f"/statements/{days}/correct", {"reason_code": "late_entry", "explanation": WORDS}, *AS_CLERK)


async def hold_a_market(office: Office) -> None:
    """A market of which one sale is none, disclosed at its deadline and again when it is paid in."""
    counter = office.counter
    await counter.hear(*(lives(person) for person in STAFF))
    stalls = [{"stall": "weaving", "volunteer_id": str(WEAVER)}]
    market = {"fund": "fund-public-good", "agreement_sha256": ["ab" * 32], "stalls": stalls}
    path = f"/markets/{(await counter.done('/markets', market, STATION, Role.STATION_MANAGER))['market_id']}"
    scarf = {"stall": "weaving", "sku": "scarf", "amount_fen": 8_000, "method": "cash"}
    await counter.done(f"{path}/sales", scarf, WEAVER, Role.VOLUNTEER)
    sale_id = (await counter.done(f"{path}/sales", scarf, WEAVER, Role.VOLUNTEER))["sale_id"]
    for who in ((WEAVER, Role.VOLUNTEER), (WATCHER, Role.SUPERVISOR)):
        await counter.done(f"{path}/sales/{sale_id}/void", {"reason_code": "given_back"}, *who)
    await office.later(days=7)
    count = {"counted_fen": 8_100, "note": "多了一元。"}
    for who in (AS_CASHIER, (WATCHER, Role.SUPERVISOR)):
        await counter.done(f"{path}/reconcile", count, *who)
    for _ in range(2):
        for due in await due_of(counter.runtime)(office.now, 10):
            await counter.runtime.executor.execute(due.build, Metadata(actor=SYSTEM.actor))
        if "ProceedsDeposited" not in await counter.types():
            await counter.done(f"{path}/deposit", {"voucher_sha256": ["cd" * 32]}, *AS_CASHIER)


async def reconcile_the_bank(office: Office) -> None:
    """A statement that is handed in wrongly and anew, an item settled on each side, and what another person found."""
    counter = office.counter
    lines = [{"booked_on": "2026-03-18", "amount_fen": amount_fen} for amount_fen in (100_000, 7, 8)]
    body: Fields = {
        "file_sha256": "ab" * 32, "from_on": "2026-03-18", "until_on": "2026-03-31",
        "opening_fen": 0, "closing_fen": 100_015, "lines": lines,
    }  # fmt: skip
    wrong = (await counter.done("/bank/statements", body, *AS_CLERK))["statement_id"]
    statement_id = (await counter.done("/bank/statements", {**body, "replaces": wrong}, *AS_CLERK))["statement_id"]
    line: Fields = {"statement_id": statement_id, "line_no": 2, "reason_code": "interest", "note": "季度利息。"}
    await counter.done("/bank/settlements", line, *AS_CASHIER)
    (missing, *_) = (await counter.read("/bank/open"))["entries"]
    entry = {"entry_no": missing["entry_no"], "reason_code": "in_transit"}
    await counter.done("/bank/settlements", entry, *AS_CLERK)
    await counter.done(f"/bank/statements/{statement_id}/reconcile", {}, WATCHER, Role.SUPERVISOR)
    (odd, *_) = (await counter.read("/anomalies", WATCHER, Role.SUPERVISOR))["anomalies"]
    looked = {"outcome": "in_order", "note": "看过单据。"}
    await counter.done(f"/anomalies/{odd['review_id']}/review", looked, WATCHER, Role.SUPERVISOR)


async def give_back(office: Office) -> None:
    """A gift of which part goes back, one that goes back whole, one that never came."""
    counter = office.counter
    for parts in ((5_000,), (5_000, 15_000)):
        gift = await counter.given()
        for amount_fen in parts:
            body = await refunding(office, gift, amount_fen=amount_fen)
            await counter.done(f"/donations/{gift}/refund", body, *AS_CASHIER)
    never_came = (await counter.read(f"/donations/{await counter.given()}"))["entry_id"]
    await counter.done(f"/entries/{never_came}/reverse", await reversing(office, never_came), *AS_CLERK)


async def give_things(office: Office) -> None:
    """A lot of which some are brought, some sold, the rest written off with what was set aside of it."""
    counter = office.counter
    lot: Fields = {"fund": "fund-relief", "sku": "rice_5kg", "qty": 10, "unit_value_fen": 3_000, "condition": "good"}
    path = f"/goods/{(await counter.done('/goods', lot, *AS_CLERK))['lot_id']}"
    part: Fields = {"qty": 2, "purpose": "hardship", "recipient_id": str(NEIGHBOUR), "volunteer_id": str(WEAVER)}
    as_station, slip = (STATION, Role.STATION_MANAGER), {"voucher_sha256": ["ef" * 32]}
    first = (await counter.done(f"{path}/allocate", part, *as_station))["allocation_id"]
    instead = (await counter.done(f"{path}/allocate", {**part, "replaces": first}, *as_station))["allocation_id"]
    await counter.done(f"/goods-allocations/{instead}/deliver", slip, WEAVER, Role.VOLUNTEER)
    await counter.done(f"{path}/allocate", part, *as_station)
    await counter.done(f"{path}/sell", {"qty": 1, "price_fen": 2_000, "method": "cash", **slip}, *AS_CASHIER)
    for who in (AS_CLERK, (WATCHER, Role.SUPERVISOR)):
        await counter.done(f"{path}/write-off", {"qty": 7, "reason_code": "damaged"}, *who)


async def test_replaying_gives_the_same_rows(office: Office, nats_server: TestNats) -> None:
    await live_a_little(office)
    said = {recorded.type for recorded in await office.counter.runtime.log.read(0, 10_000)}
    assert {kind for kind in said if kind.startswith(("InKind", "Market", "Sale", "Proceeds", "Donation"))} == {
        "DonationPledged", "DonationReceived", "DonationRefunded",
        "InKindReceived", "InKindAllocated", "InKindDelivered", "InKindWrittenOff", "InKindSold",
        "MarketSessionOpened", "SaleRecorded", "SaleVoided", "MarketReconciled", "ProceedsDeposited", "MarketDisclosed",
    }  # fmt: skip
    assert said >= {"BankStatementAttested", "BankItemSettled", "FundReconciled", "AnomalyReviewed"}
    assert {kind for kind in said if kind.startswith(("Aid", "Hold", "SigningKey"))} == {
        "AidApplied", "AidVerified", "AidPublicized", "AidAmended", "AidApproved", "AidApprovalLapsed", "AidRejected",
        "AidDisbursed", "AidReceiptConfirmed", "AidFollowedUp", "AidReturned", "AidReversed", "HoldPlaced",
        "HoldReleased", "SigningKeyRegistered", "SigningKeyConfirmed", "SigningKeyRevoked",
    }  # fmt: skip
    assert {"FundStatementPublished", "DisclosureCorrected"} <= said
    client = await nats.connect(nats_server.url)
    try:
        stream = client.jetstream()
        await ensure_stream(stream, "chaoyangli", "volunteers")
        for message in office.counter.heard:
            await stream.publish(f"chaoyangli.volunteers.{decode(message.body).type}", message.body)
        config = office.counter.runtime.settings.log_config("migrator")
        report = await replay(config, definition.read_models, nats=client)
    finally:
        await client.close()
    assert report.compared, report.note
    assert [table.name for table in report.tables if not table.equal] == []
    filled = {table.name for table in report.tables if table.rows}
    assert {"aid_cases", "signing_keys", "holds", "fund_pots", "volunteers_relations"} <= filled
    assert {"goods_lots", "goods_stock", "goods_allocations", "markets", "market_stalls", "market_sales"} <= filled
    assert {"fund_statements", "statement_drafts"} <= filled
