"""Orders left to chance: whatever people ask in whatever order, the invariants of domain.md §4.1 hold."""

import json
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

from fastapi.responses import JSONResponse
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.command import SYSTEM, Refused
from contracts.orders import (
    OrderEscalated,
    OrderRated,
    OrderReopened,
    OrderState,
    OrderVerified,
    ServiceRecordedAfterwards,
    ServiceStarted,
)
from services.orders.api.shared import with_numbers_for
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.commands.missing import RecordResidentAbsent
from services.orders.commands.placing import (
    AcceptOrder,
    CancelOrder,
    DeclineOffer,
    EscalateOrder,
    ExpireOffer,
    LapseAssignment,
    OpenOrder,
    WithdrawAcceptance,
)
from services.orders.commands.serving import (
    AmendRating,
    AutoCloseService,
    CloseOrder,
    ContestCompletion,
    PresumeCompletion,
)
from services.orders.commands.turning import (
    MergeOrder,
    ReconfirmAssignment,
    RedispatchOrder,
    ReopenOrder,
    RescheduleOrder,
)
from services.orders.decider.due import falls_due
from services.orders.decider.evolve import evolve
from services.orders.decider.lifecycle import LIFECYCLE
from services.orders.decider.state import FILLING, LIVE, Order, Served
from services.orders.decider.states import ENDED, At
from services.orders.policy import working_deadlines
from tests.orders.fittings import fitting
from tests.orders.samples import (
    ANNA,
    BO,
    CHEN,
    DISPATCHER,
    GUO,
    ORDER,
    RESIDENT_WANG,
    Story,
    as_volunteer,
    ask,
    confirming,
    finishing,
    from_inquiry,
    in_state,
    no_show,
    past,
    proposal,
    rating,
    recording,
    starting,
    uid,
    unfulfilled,
    volunteer,
)

BY_THE_TIMER = ExpireOffer | EscalateOrder | LapseAssignment | AutoCloseService | PresumeCompletion | CloseOrder
FURTHER = (
    *(OrderState.PLACED,) * 4,
    *(OrderState.ACCEPTED,) * 2,
    OrderState.IN_SERVICE,
    OrderState.SERVED,
    OrderState.COMPLETED,
    OrderState.RATED,
    OrderState.UNFULFILLED,
)
"""Where stories begin: chance alone seldom brings a volunteer to the door in time."""
WORDS = ("摔倒了", "胸痛", "有煤气味", "着火了")
VOLUNTEERS = st.sampled_from([ANNA, BO, CHEN, GUO])


ARROWS: dict[At, set[OrderState]] = {
    origin: {target for row in LIFECYCLE for target in row.ways.get(origin, ())} for origin in (None, *OrderState)
}


class Orders(RuleBasedStateMachine):
    """One order, asked of by four volunteers, a resident, two of staff, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.story = Story()

    def _try(self, command: object) -> None:
        try:
            self.story.do(command)  # type: ignore[arg-type]
        except Refused:
            return

    @initialize(
        inquiry=st.booleans(),
        slots=st.integers(1, 3),
        word=st.sampled_from(["", *WORDS]),
        further=st.sampled_from(FURTHER),
    )
    def begins(self, inquiry: bool, slots: int, word: str, further: OrderState) -> None:
        """I8: a word of danger puts the numbers first into the answer, and the order is taken all the same."""
        answer = JSONResponse({"order_id": str(ORDER)}, headers={"Position": "1"})
        shown = json.loads(bytes(with_numbers_for(answer, f"家里{word}，来个人").body))
        assert next(iter(shown)) == ("emergency_numbers" if word else "order_id")
        if further is not OrderState.PLACED:
            self.story = in_state(further)
        elif inquiry:
            self.story.do(from_inquiry(slots=slots))
        else:
            self.story.place()

    @rule(slots=st.integers(1, 3))
    def verify(self, slots: int) -> None:
        try:
            self.story.verify(slots=slots)
        except Refused:
            return

    @rule(volunteers=st.lists(VOLUNTEERS, min_size=1, max_size=3, unique=True))
    def dispatch(self, volunteers: list[UUID]) -> None:
        try:
            self.story.dispatch(*volunteers)
        except Refused:
            return

    @rule(volunteer_id=VOLUNTEERS, what=st.sampled_from(["accept", "decline", "withdraw", "start", "finish", "lapse"]))
    def volunteer_does(self, volunteer_id: UUID, what: str) -> None:
        story, by = self.story, as_volunteer(volunteer_id)
        assert story.order is not None
        held = story.order.holds(volunteer_id)
        match what:
            case "accept":
                accept: AcceptOrder = story.accepting(volunteer_id)
                self._try(accept)
            case "decline":
                self._try(ask(DeclineOffer, by, story.at, volunteer_id=volunteer_id))
            case "withdraw":
                self._try(ask(WithdrawAcceptance, by, story.at, volunteer_id=volunteer_id))
            case "start":
                self._try(starting(story.at, volunteer_id))
            case "finish":
                self._try(finishing(story.at, volunteer_id))
            case "lapse" if held is not None:
                fields = {"assignment_id": held.assignment_id, "cause": "volunteer_paused"}
                self._try(ask(LapseAssignment, SYSTEM, story.at, **fields))

    @rule(what=st.sampled_from(["cancel", "unfulfilled", "merge"]), really=st.integers(0, 5))
    def somebody_ends_it(self, what: str, really: int) -> None:
        """Seldom, so that other things happen, too."""
        story = self.story
        commands = {
            "cancel": ask(CancelOrder, RESIDENT_WANG, story.at),
            "unfulfilled": unfulfilled(story.at),
            "merge": fitting(MergeOrder, story),
        }
        if really == 5:
            self._try(commands[what])

    @rule()
    def the_window_comes(self) -> None:
        story = self.story
        if story.order is not None:
            story.at = max(story.at, story.order.window_start)

    @rule(what=st.sampled_from(["open", "escalate", "confirm", "rate"]))
    def somebody_does(self, what: str) -> None:
        story = self.story
        commands = {
            "open": ask(OpenOrder, DISPATCHER, story.at),
            "escalate": ask(EscalateOrder, DISPATCHER, story.at, level=3),
            "confirm": confirming(story.at),
            "rate": rating(story.at),
        }
        self._try(commands[what])

    @rule(volunteer_id=VOLUNTEERS, what=st.sampled_from(["ask", "answer", "no_show", "absent", "afterwards"]))
    def it_goes_otherwise(self, volunteer_id: UUID, what: str) -> None:
        story = self.story
        commands = {
            "ask": fitting(RequestInfo, story),
            "answer": fitting(ProvideInfo, story),
            "no_show": no_show(story.at, volunteer_id),
            "absent": ask(RecordResidentAbsent, DISPATCHER, story.at, check_id=uid(901)),
            "afterwards": recording(story.at, story, past(story, volunteer_id)),
        }
        self._try(commands[what])

    @rule(volunteers=st.lists(VOLUNTEERS, min_size=1, max_size=2, unique=True), taken_from=st.none() | VOLUNTEERS)
    def redispatch(self, volunteers: list[UUID], taken_from: UUID | None) -> None:
        offer = len(self.story.events) * 10 + 5_000
        proposals = tuple(proposal(one, offer + number) for number, one in enumerate(volunteers))
        given = {"proposals": proposals, "from_volunteer_id": taken_from, "reason_code": "ill"}
        self._try(ask(RedispatchOrder, DISPATCHER, self.story.at, **given))

    @rule(busy=st.sets(VOLUNTEERS, max_size=2), days=st.integers(0, 3), reconfirms=st.booleans())
    def reschedule(self, busy: set[UUID], days: int, reconfirms: bool) -> None:
        """Whoever is busy at the new time falls out; the others answer at once, or time decides."""
        story = self.story
        assert story.order is not None
        known = tuple(volunteer(one.volunteer_id, busy=one.volunteer_id in busy) for one in story.order.held)
        starts = story.at + timedelta(days=days, hours=1)
        window = {"window_start": starts, "window_end": starts + timedelta(hours=2)}
        self._try(ask(RescheduleOrder, RESIDENT_WANG, story.at, volunteers=known, **window))
        for one in story.order.awaiting if reconfirms else ():
            by = as_volunteer(one.volunteer_id)
            self._try(ask(ReconfirmAssignment, by, story.at, volunteer_id=one.volunteer_id))

    @rule(what=st.sampled_from(["reopen", "contest", "amend"]))
    def it_is_spoken_of_again(self, what: str) -> None:
        story = self.story
        commands = {
            "reopen": fitting(ReopenOrder, story),
            "contest": fitting(ContestCompletion, story),
            "amend": fitting(AmendRating, story),
        }
        self._try(commands[what])

    @rule(minutes=st.sampled_from([1, 15, 45, 240, 1440, 4320]))
    def time_passes(self, minutes: int) -> None:
        self.story.at += timedelta(minutes=minutes)

    @rule()
    def the_deadline_comes(self) -> None:
        """What falls due at the deadline is never refused: the timer would try it for ever."""
        story = self.story
        if story.order is None or story.order.due_at is None or story.order.due_for == "decision":
            return
        story.at = max(story.at, story.order.due_at)
        due = falls_due(story.order, story.at, story.policy, working_deadlines(story.at))
        if due is not None:
            assert isinstance(due, BY_THE_TIMER)
            story.do(due)
        else:
            assert story.order.due_for == "wave"
            story.do(ask(OpenOrder, SYSTEM, story.at))

    @invariant()
    def slots_are_never_overfilled(self) -> None:
        """I2, and one slot a volunteer."""
        order = self.story.order
        if order is None:
            return
        assert order.filled <= order.item.slots
        assert len(set(order.servers)) == len(order.servers)
        if order.state is OrderState.ACCEPTED:
            assert order.filled == order.item.slots
        if order.state is OrderState.SERVED:
            assert not any(one.served in LIVE for one in order.assignments)
            assert any(one.served in FILLING for one in order.assignments)

    @invariant()
    def one_stream_one_order(self) -> None:
        """I1: what an order says is about itself, and folding its events again gives the same order."""
        story = self.story
        assert {event.order_id for event in story.events} <= {ORDER}
        again: Order | None = None
        for event in story.events:
            again = evolve(again, event)
        assert again == story.order

    @invariant()
    def a_volunteers_live_times_never_overlap(self) -> None:
        """I3, as far as one order can break it: one live slot each, all for the order's own time."""
        order = self.story.order
        if order is not None:
            live = [one.volunteer_id for one in order.assignments if one.served in LIVE]
            assert len(set(live)) == len(live)

    @invariant()
    def levels_only_rise_until_it_is_reopened(self) -> None:
        level = 0
        for event in self.story.events:
            if isinstance(event, OrderReopened):
                level = 0
            elif isinstance(event, OrderEscalated):
                assert event.level >= level
                level = event.level

    @invariant()
    def every_step_is_an_arrow_of_the_table(self) -> None:
        """What leads from one state to another is drawn in the README."""
        states = [None, *(event.state for event in self.story.events)]
        for origin, target in pairwise(states):
            assert origin is target or target in ARROWS[origin], (origin, target)

    @invariant()
    def no_service_without_verification(self) -> None:
        """I4."""
        events = self.story.events
        started = next(
            (n for n, event in enumerate(events) if isinstance(event, ServiceStarted | ServiceRecordedAfterwards)), None
        )
        if started is not None:
            assert any(isinstance(event, OrderVerified) for event in events[:started])

    @invariant()
    def rated_at_most_once(self) -> None:
        """I5."""
        assert sum(isinstance(event, OrderRated) for event in self.story.events) <= 1

    @invariant()
    def an_open_order_has_one_owner_and_one_deadline(self) -> None:
        """I6."""
        if not self.story.events:
            return
        last = self.story.events[-1]
        parts = (last.owner_role, last.next_due_at, last.next_due_for)
        if last.state in ENDED:
            assert parts == (None, None, None)
        else:
            assert None not in parts

    @invariant()
    def ended_is_ended(self) -> None:
        """I7."""
        story = self.story
        if story.order is None or story.order.state not in ENDED:
            return
        assert not story.order.offers
        assert not any(one.served is Served.HELD for one in story.order.assignments)
        for row in LIFECYCLE:
            if row.command is ReopenOrder and story.order.state is OrderState.UNFULFILLED:
                continue
            story.refused(fitting(row.command, story))

    @invariant()
    def offers_wait_only_while_offered(self) -> None:
        order = self.story.order
        assert order is None or bool(order.offers) == (order.state is OrderState.OFFERED)

    @invariant()
    def the_last_event_says_the_state(self) -> None:
        story = self.story
        if story.order is not None:
            last = story.events[-1]
            assert (story.order.state, story.order.due_at, story.order.due_for) == (
                last.state,
                last.next_due_at,
                last.next_due_for,
            )


TestOrders = Orders.TestCase
TestOrders.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
