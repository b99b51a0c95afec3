"""Orders left to chance: whatever people ask in whatever order, the invariants of domain.md §4.1 hold."""

from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.command import SYSTEM, Refused
from contracts.orders import OrderRated, OrderState, OrderVerified, ServiceStarted
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
from services.orders.commands.serving import AutoCloseService, CloseOrder, PresumeCompletion
from services.orders.decider.due import falls_due
from services.orders.decider.lifecycle import ENDED, LIFECYCLE
from services.orders.decider.state import FILLING, LIVE, Served
from tests.orders.samples import (
    ANNA,
    BO,
    CHEN,
    DISPATCHER,
    GUO,
    RESIDENT_WANG,
    Story,
    as_volunteer,
    ask,
    confirming,
    finishing,
    fitting,
    from_inquiry,
    rating,
    starting,
    unfulfilled,
)

VOLUNTEERS = st.sampled_from([ANNA, BO, CHEN, GUO])


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

    @initialize(inquiry=st.booleans(), slots=st.integers(1, 3))
    def begins(self, inquiry: bool, slots: int) -> None:
        if inquiry:
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

    @rule(what=st.sampled_from(["open", "cancel", "unfulfilled", "escalate", "confirm", "rate"]))
    def somebody_does(self, what: str) -> None:
        story = self.story
        commands = {
            "open": ask(OpenOrder, DISPATCHER, story.at),
            "cancel": ask(CancelOrder, RESIDENT_WANG, story.at),
            "unfulfilled": unfulfilled(story.at),
            "escalate": ask(EscalateOrder, DISPATCHER, story.at, level=3),
            "confirm": confirming(story.at),
            "rate": rating(story.at),
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
        due = falls_due(story.order, story.at, story.policy)
        if due is not None:
            assert isinstance(due, ExpireOffer | EscalateOrder | AutoCloseService | PresumeCompletion | CloseOrder)
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
    def no_service_without_verification(self) -> None:
        """I4."""
        events = self.story.events
        started = next((n for n, event in enumerate(events) if isinstance(event, ServiceStarted)), None)
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
