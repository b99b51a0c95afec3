"""What volunteers says of hours, as events about the same invented order and claim."""

from datetime import date

from contracts import volunteers
from tests.notify.examples import ANNA, BO, CLAIM, END, EVENT, WANG


def voided() -> volunteers.HoursVoided:
    return volunteers.HoursVoided(
        claim_id=CLAIM,
        volunteer_id=ANNA,
        correction_id=EVENT,
        day_minutes=0,
        reason_code="not_served",
        requested_by=WANG,
        approved_by=BO,
        explanation_ref=EVENT,
        explanation_commitment="ab" * 32,
        minutes=60,
        service_date=date(2026, 11, 24),
        grade="A",
        voided_at=END,
    )
