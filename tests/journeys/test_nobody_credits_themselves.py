"""No sequence of commands by one person alone credits that person a minute (domain.md §4.0, §4.4).

Anna holds every role there is, acts for Wang, and covers every place; she asks whatever the access tables of orders and
volunteers let her, in any order, and timers do what falls due. The deciders and the tables are the real ones; what is
between the services is said here as services/volunteers/reactions.py does it.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from contracts import orders
from contracts.command import SYSTEM, By, Refused, Role
from contracts.volunteers import HoursAdjusted, HoursLogged
from services.orders.access import build_access as orders_access
from services.orders.commands.placing import AcceptOrder, CreateOrderFromInquiry, DispatchOrder, PlaceOrder
from services.orders.decider.lifecycle import LIFECYCLE
from services.volunteers.access import build_access as volunteers_access
from services.volunteers.commands import hours as claims
from services.volunteers.commands.words import claim_id_of
from services.volunteers.decider import hours
from tests.orders.fittings import fitting
from tests.orders.samples import ANNA, WANG, Story, ask, place, proposal
from tests.volunteers import examples

ORDERS, VOLUNTEERS = orders_access(), volunteers_access()
ROLES = [role for role in Role if role is not Role.SYSTEM]
ORDER_COMMANDS = [row.command for row in LIFECYCLE]
HER_PLACES = frozenset({"proxy", "requester", "leads", "station_covers", "grid_covers", "entrance_covers"})
AS_VOLUNTEER = frozenset({"assigned", "serving", "offered"})
HER_HOURS = frozenset({"own", "leads", "recipient_proxy"})
DIGEST = "ab" * 32


def hers(role: Role) -> By:
    return By(actor_id=ANNA, role=role)


def of(name: str) -> Any:
    return next(one for one in ORDER_COMMANDS if one.__name__ == name)


S = orders.OrderState
USUAL_WAY = {
    None: ("PlaceOrder", hers(Role.PROXY)),
    S.PLACED: ("VerifyOrder", hers(Role.DISPATCHER)),
    S.VERIFIED: ("OpenOrder", hers(Role.DISPATCHER)),
    S.OPEN: ("AcceptOrder", hers(Role.VOLUNTEER)),
    S.ACCEPTED: ("StartService", hers(Role.VOLUNTEER)),
    S.IN_SERVICE: ("FinishService", hers(Role.VOLUNTEER)),
    S.SERVED: ("PresumeCompletion", SYSTEM),
}


class Alone(RuleBasedStateMachine):
    """One order of Wang's, and Anna with every role."""

    def __init__(self):
        super().__init__()
        self.story = Story()
        self.claims: dict[UUID, hours.Claim] = {}
        self.actors: set[UUID] = set()
        self.credited: list[Any] = []

    # orders

    @rule(kind=st.sampled_from(ORDER_COMMANDS), role=st.sampled_from(ROLES))
    def she_asks_orders(self, kind, role):
        relations = set(HER_PLACES)
        order = self.story.order
        if order is not None and any(one.volunteer_id == ANNA for one in order.assignments):
            relations |= AS_VOLUNTEER
        if ORDERS.allows(kind, role, relations):
            self.ask_orders(kind, hers(role))

    @rule(kind=st.sampled_from(ORDER_COMMANDS))
    def a_timer_asks_orders(self, kind):
        if kind not in {PlaceOrder, CreateOrderFromInquiry} and fitting_by(kind, self.story) == SYSTEM:
            self.ask_orders(kind, SYSTEM)

    @rule()
    def the_usual_way_goes_on(self):
        """What chance alone seldom finds: the next step towards a credit, whoever's it is but another person's."""
        name, who = USUAL_WAY.get(self.story.state, ("CloseOrder", SYSTEM))
        self.ask_orders(of(name), who)

    def ask_orders(self, kind, who: By):
        if kind is DispatchOrder:
            command = ask(DispatchOrder, who, self.story.at, proposals=(proposal(ANNA, 77),))
        elif kind is AcceptOrder:
            command = self.story.accepting(ANNA)
        elif kind is PlaceOrder:
            command = place(self.story.at)
        else:
            command = fitting(kind, self.story)
        changes: dict[str, Any] = {"by": who}
        if "seconded_by" in type(command).model_fields:
            return  # the second of two persons is somebody else
        try:
            events = self.story.do(command.model_copy(update=changes))
        except Refused:
            return
        self.story.at = max(self.story.at, command.at)
        if who.actor_id is not None and events:
            self.actors.add(who.actor_id)
        for event in events:
            self.hear(event)

    # what volunteers hears

    def hear(self, event):
        at = self.story.at + timedelta(days=4)
        if isinstance(event, orders.ServiceFinished | orders.ServiceRecordedAfterwards):
            by_hand = isinstance(event, orders.ServiceRecordedAfterwards)
            self.ask_hours(
                claims.ClaimHours(
                    by=SYSTEM,
                    at=max(at, event.finished_at),
                    claim_id=claim_id_of(event.assignment_id),
                    volunteer_id=event.volunteer_id,
                    order_id=event.order_id,
                    assignment_id=event.assignment_id,
                    beneficiary_id=event.beneficiary_id,
                    item_code=event.item_code,
                    project_code=None,
                    started_at=event.started_at,
                    finished_at=event.finished_at,
                    minutes=event.minutes,
                    grade="C" if by_hand else "A",
                    source_event_id=UUID(int=1),
                    recorded_by=event.recorded_by if isinstance(event, orders.ServiceRecordedAfterwards) else None,
                    due_at=at,
                )
            )
        elif isinstance(event, orders.CompletionConfirmed | orders.CompletionPresumed):
            said_by = event.confirmed_by if isinstance(event, orders.CompletionConfirmed) else None
            for one in event.assignments:
                confirm = claims.ConfirmHours(
                    by=SYSTEM,
                    at=at,
                    claim_id=claim_id_of(one.assignment_id),
                    confirmed_by=said_by,
                    presumed=said_by is None,
                    by_recipient=said_by is not None,
                )
                self.ask_hours(confirm)
                self.ask_hours(self.logging(confirm.claim_id))

    # volunteers

    def claim(self, claim_id: UUID) -> hours.Claim:
        return self.claims.get(claim_id, hours.initial())

    def day(self, claim_id: UUID) -> claims.DayFacts:
        total = sum(event.minutes for event in self.credited if event.claim_id == claim_id)
        manual = self.claim(claim_id).claimed is not None and self.claim(claim_id).interval.source == "manual"
        others = bool(self.actors - {ANNA}) and not manual
        return claims.DayFacts(logged_minutes=total, others_took_part=others)

    def logging(self, claim_id: UUID) -> claims.LogHours:
        at = self.story.at + timedelta(days=4)
        return claims.LogHours(by=SYSTEM, at=at, claim_id=claim_id, day=self.day(claim_id), due_at=at)

    def ask_hours(self, command):
        state = self.claim(command.claim_id)
        try:
            events = hours.decide(command, state)
        except Refused:
            return
        for event in events:
            state = hours.evolve(state, event)
            if isinstance(event, HoursLogged | HoursAdjusted):
                self.credited.append(event)
        self.claims[command.claim_id] = state

    @rule(
        kind=st.sampled_from(claims.CLAIM_COMMANDS),
        role=st.sampled_from(ROLES),
        number=st.integers(0, 2),
        delta=st.integers(-5, 5),
    )
    def she_asks_about_hours(self, kind, role, number, delta):
        if not VOLUNTEERS.allows(kind, role, HER_HOURS):
            return
        known = sorted(self.claims)
        claim_id = known[number % len(known)] if known and number else UUID(int=900 + number)
        at, who = self.story.at + timedelta(days=4), hers(role)
        answer = {
            "correction_id": UUID(int=5),
            "reason_code": "other",
            "explanation_ref": UUID(int=6),
            "explanation_commitment": DIGEST,
            "day": self.day(claim_id),
            "entry": claims.EntryFacts(answered=True),
        }
        fields: dict[str, dict[str, Any]] = {
            "ConfirmHours": {"confirmed_by": ANNA, "presumed": False, "by_recipient": True},
            "ApproveHours": {"day": self.day(claim_id)},
            "RejectHours": {"reason_code": "other"},
            "RequestCorrection": {"correction_id": UUID(int=5), "cause": "other", "due_at": at},
            "AdjustHours": {**answer, "delta": delta},
            "VoidHours": answer,
            "RecordSample": {"result": "confirmed", "correction_id": UUID(int=7), "correction_due_at": at},
        }
        if kind is claims.ClaimHoursManually:
            start = at - timedelta(hours=3)
            times: dict[str, Any] = {"started_at": start, "finished_at": start + timedelta(hours=1)}
            command = examples.claim_by_hand(
                who, claim_id=claim_id, at=at, volunteer_id=ANNA, beneficiary_id=WANG, **times
            )
        else:
            command = kind(by=who, at=at, claim_id=claim_id, **fields[kind.__name__])
        self.ask_hours(command)
        self.ask_hours(self.logging(claim_id))

    @invariant()
    def nobody_has_a_minute_by_their_own_doing(self):
        assert not self.credited


def fitting_by(kind, story: Story) -> By | None:
    try:
        by: By = fitting(kind, story).by
    except (AssertionError, Refused):
        return None
    return by


TestAlone = Alone.TestCase
TestAlone.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


def served(machine: Alone, placed_by: By | None = None) -> None:
    """Anna does all she can of the usual way, up to her check-out; somebody else may have placed the order."""
    machine.ask_orders(PlaceOrder, placed_by or hers(Role.PROXY))
    for name, role in (
        ("VerifyOrder", Role.DISPATCHER),
        ("OpenOrder", Role.DISPATCHER),
        ("AcceptOrder", Role.VOLUNTEER),
        ("StartService", Role.VOLUNTEER),
        ("FinishService", Role.VOLUNTEER),
    ):
        kind = next(one for one in ORDER_COMMANDS if one.__name__ == name)
        assert ORDERS.allows(kind, role, HER_PLACES | AS_VOLUNTEER)
        machine.ask_orders(kind, hers(role))
    assert next(iter(machine.claims.values())).state == "CLAIMED", machine.story.types


def test_she_can_serve_alone_but_the_presumption_is_held():
    machine = Alone()
    served(machine)
    machine.ask_orders(of("PresumeCompletion"), SYSTEM)
    (claim,) = machine.claims.values()
    assert (claim.state, claim.held_for) == ("HELD", hours.ONE_PERSON)


def test_with_another_persons_hand_the_same_way_credits():
    machine = Alone()
    served(machine, By(actor_id=WANG, role=Role.RESIDENT))
    machine.ask_orders(of("PresumeCompletion"), SYSTEM)
    assert [event.minutes for event in machine.credited] == [40]


def test_with_the_recipients_word_the_same_way_credits():
    machine = Alone()
    served(machine)
    machine.ask_orders(of("ConfirmCompletion"), By(actor_id=WANG, role=Role.RESIDENT))
    assert [event.minutes for event in machine.credited] == [40]
