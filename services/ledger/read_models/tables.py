"""The tables folded from the ledger's own log, and what PostgreSQL itself refuses to hold in them."""

import sqlalchemy as sa

metadata = sa.MetaData()

_TIME = sa.DateTime(timezone=True)
NO_FUND = ""
"""What stands in a key's `fund` where minutes are counted: a key column is never NULL."""

books = sa.Table(
    "books",
    metadata,
    sa.Column("book", sa.Text, primary_key=True),
    sa.Column("entries", sa.BigInteger, nullable=False),
    sa.Column("last_entry_no", sa.BigInteger, nullable=False),
    sa.Column("closed_through", sa.Date),
    sa.Column("closing", sa.Text),
    # As many entries as the last number says: with the unique numbers below, none is missing (会计法 §15).
    sa.CheckConstraint("entries = last_entry_no", name="books_without_gaps"),
)
entries = sa.Table(
    "entries",
    metadata,
    sa.Column("entry_id", sa.Uuid, primary_key=True),
    sa.Column("book", sa.Text, nullable=False),
    sa.Column("entry_no", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("effective_date", sa.Date, nullable=False),
    # The day on which it was entered, by the business clock.
    sa.Column("booked_on", sa.Date, nullable=False),
    sa.Column("recorded_at", _TIME, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.Uuid, nullable=False),
    sa.Column("source_event_id", sa.Uuid),
    sa.Column("donation_id", sa.Uuid),
    sa.Column("case_id", sa.Uuid),
    sa.Column("lot_id", sa.Uuid),
    sa.Column("market_id", sa.Uuid),
    sa.Column("volunteer_id", sa.Uuid),
    sa.Column("claim_id", sa.Uuid),
    sa.Column("order_id", sa.Uuid),
    sa.Column("grade", sa.Text),
    sa.Column("reason_code", sa.Text),
    sa.Column("reverses", sa.Uuid),
    sa.Column("reversed_by", sa.Uuid),
    # Public words of a correction, in the vault.
    sa.Column("explanation_ref", sa.Uuid),
    # The reversed entry that this one stands for, with other minutes.
    sa.Column("replaces", sa.Uuid),
    sa.UniqueConstraint("book", "entry_no", name="entries_one_number", deferrable=True, initially="DEFERRED"),
    sa.UniqueConstraint("reverses", name="entries_one_reversal", deferrable=True, initially="DEFERRED"),
    sa.Index("entries_by_source", "source_event_id"),
    sa.Index("entries_by_donation", "donation_id"),
    sa.Index("entries_by_case", "case_id"),
    sa.Index("entries_by_volunteer", "volunteer_id"),
    sa.Index("entries_by_claim", "claim_id"),
)
postings = sa.Table(
    "postings",
    metadata,
    sa.Column("entry_id", sa.Uuid, primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True),
    sa.Column("book", sa.Text, nullable=False),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("fund", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("effective_date", sa.Date, nullable=False),
    sa.CheckConstraint(
        "(book = 'hours' AND unit = 'minutes' AND fund = '') OR (book = 'fund' AND unit = 'fen' AND fund <> '')",
        name="postings_unit_of_book",
    ),
    sa.Index("postings_by_account", "account", "position"),
    sa.Index("postings_by_position", "book", "position"),
)
balances = sa.Table(
    "balances",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("fund", sa.Text, primary_key=True),
    sa.Column("unit", sa.Text, primary_key=True),
    sa.Column("book", sa.Text, nullable=False),
    sa.Column("debit", sa.BigInteger, nullable=False, default=0),
    sa.Column("credit", sa.BigInteger, nullable=False, default=0),
    sa.Index("balances_by_book", "book"),
)
fund_balances = sa.Table(
    "fund_balances",
    metadata,
    sa.Column("fund", sa.Text, primary_key=True),
    sa.Column("balance_fen", sa.BigInteger, nullable=False),
    sa.CheckConstraint("balance_fen >= 0", name="fund_balances_not_negative"),
)
fund_pots = sa.Table(
    "fund_pots",
    metadata,
    sa.Column("fund", sa.Text, primary_key=True),
    # Unrestricted (the empty word), goods, or the purpose that money was given for.
    sa.Column("pot", sa.Text, primary_key=True),
    sa.Column("balance_fen", sa.BigInteger, nullable=False),
    sa.Column("held_fen", sa.BigInteger, nullable=False),
    sa.CheckConstraint("held_fen >= 0 AND balance_fen >= held_fen", name="fund_pots_cover_what_is_held"),
)
holds = sa.Table(
    "holds",
    metadata,
    sa.Column("hold_id", sa.Uuid, primary_key=True),
    sa.Column("case_id", sa.Uuid, nullable=False),
    sa.Column("fund", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("restricted_fen", sa.BigInteger, nullable=False),
    sa.Column("placed_at", _TIME, nullable=False),
    sa.Column("released_at", _TIME),
    sa.Column("cause", sa.Text),
    sa.Column("live_case_id", sa.Uuid),
    sa.UniqueConstraint("live_case_id", name="holds_one_per_case", deferrable=True, initially="DEFERRED"),
    sa.Index("holds_by_case", "case_id"),
)
hours_intervals = sa.Table(
    "hours_intervals",
    metadata,
    sa.Column("entry_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("started_at", _TIME, nullable=False),
    sa.Column("finished_at", _TIME, nullable=False),
    sa.Column("minutes", sa.Integer, nullable=False),
    sa.Column("grade", sa.Text, nullable=False),
    sa.Column("standing", sa.Boolean, nullable=False, default=True),
    # NULL once reversed, so that the service can be posted anew.
    sa.Column("standing_claim_id", sa.Uuid),
    sa.Column("standing_assignment_id", sa.Uuid),
    sa.UniqueConstraint("standing_claim_id", name="hours_one_per_claim", deferrable=True, initially="DEFERRED"),
    sa.UniqueConstraint(
        "standing_assignment_id", name="hours_one_per_assignment", deferrable=True, initially="DEFERRED"
    ),
    sa.Index("hours_intervals_by_volunteer", "volunteer_id", "started_at"),
)
refusals = sa.Table(
    "refusals",
    metadata,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("book", sa.Text, nullable=False),
    sa.Column("source_event_id", sa.Uuid, nullable=False),
    sa.Column("reason_code", sa.Text, nullable=False),
    sa.Column("claim_id", sa.Uuid),
    sa.Column("volunteer_id", sa.Uuid),
    sa.Column("conflicts_with", sa.Uuid),
    sa.Column("refused_at", _TIME, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Index("refusals_by_source", "source_event_id"),
)
donations = sa.Table(
    "donations",
    metadata,
    sa.Column("donation_id", sa.Uuid, primary_key=True),
    sa.Column("donor_ref", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("fund", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("refunded_fen", sa.BigInteger, nullable=False, default=0),
    # Of a gift of things: what was promised, and the lot that came.
    sa.Column("goods_sku", sa.Text),
    sa.Column("goods_qty", sa.BigInteger),
    sa.Column("lot_id", sa.Uuid),
    sa.Column("anonymous", sa.Boolean, nullable=False),
    sa.Column("donor_commitment", sa.Text),
    sa.Column("method", sa.Text),
    sa.Column("effective_date", sa.Date),
    sa.Column("due_at", _TIME),
    sa.Column("receipt_no", sa.Text),
    sa.Column("reason_code", sa.Text),
    sa.Column("pledged_at", _TIME, nullable=False),
    sa.Column("pledged_by", sa.Text),
    sa.Column("received_at", _TIME),
    sa.Column("received_by", sa.Text),
    sa.Column("settled_at", _TIME),
    sa.CheckConstraint("refunded_fen BETWEEN 0 AND amount_fen", name="donations_refunded_within_received"),
    sa.UniqueConstraint("receipt_no", name="donations_one_receipt_no", deferrable=True, initially="DEFERRED"),
    sa.Index("donations_by_state", "state", "due_at"),
)

NO_OVERLAP = """ALTER TABLE {schema}.hours_intervals ADD CONSTRAINT hours_no_overlap EXCLUDE USING gist (
    {engine}.uuidrange(volunteer_id, volunteer_id, '[]') WITH =, tstzrange(started_at, finished_at) WITH &&
) WHERE (standing) DEFERRABLE INITIALLY DEFERRED"""

BALANCED = """CREATE FUNCTION {schema}.require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong record;
    entry uuid := CASE TG_OP WHEN 'DELETE' THEN OLD.entry_id ELSE NEW.entry_id END;
BEGIN
    -- The schema by its present name: a replay makes these tables elsewhere and renames.
    EXECUTE format('SELECT unit, sum(amount) AS total FROM %I.%I WHERE entry_id = $1
                    GROUP BY unit HAVING sum(amount) <> 0', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO wrong USING entry;
    IF wrong.unit IS NOT NULL THEN
        RAISE EXCEPTION 'entry % is out of balance by % %', entry, wrong.total, wrong.unit
            USING ERRCODE = 'check_violation', CONSTRAINT = 'postings_sum_to_nothing', TABLE = TG_TABLE_NAME,
                  SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NULL;
END
$$"""
BALANCED_TRIGGER = """CREATE CONSTRAINT TRIGGER postings_sum_to_nothing AFTER INSERT OR UPDATE OR DELETE
    ON {schema}.postings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.require_balance()"""
DDL = (NO_OVERLAP, BALANCED, BALANCED_TRIGGER)
"""No two standing intervals of one volunteer overlap; at the commit, every entry sums to nothing per unit."""
