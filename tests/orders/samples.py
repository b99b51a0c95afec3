"""People and orders of these tests, all invented: Wang asks, Anna and Bo serve, Duan dispatches, Zhan is manager."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.command import SYSTEM, By, Channel, Command, Refused, Role
from contracts.orders import InOrderStream, OrderState
from services.orders.commands.missing import PastService, RecordServiceAfterwards, RecordVolunteerNoShow
from services.orders.commands.placing import (
    AcceptOrder,
    CancelOrder,
    CreateOrderFromInquiry,
    DeclareUnfulfilled,
    DispatchOrder,
    OpenOrder,
    OrderCommand,
    PlaceOrder,
    Proposal,
    RefuseOrder,
    VerifyOrder,
)
from services.orders.commands.serving import (
    AmendRating,
    CloseOrder,
    ConfirmCompletion,
    ContestCompletion,
    FinishService,
    RateOrder,
    StartService,
)
from services.orders.commands.turning import MergeOrder
from services.orders.commands.words import ItemFacts, Policy, ResidentFacts, VolunteerFacts
from services.orders.decider.decide import decide
from services.orders.decider.evolve import evolve
from services.orders.decider.state import Order
from services.orders.policy import working_deadlines


def uid(number: int) -> UUID:
    return UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000 + number)


ORDER, INQUIRY = uid(1), uid(2)
WANG, WANG_SON, ANNA, BO, CHEN, DUAN, ZHAN, RUI, GUO = (uid(100 + n) for n in range(9))
WANG_HOME, ANNA_HOME, BO_HOME = uid(200), uid(201), uid(202)
MONDAY_NINE = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # 09:00 in Tianjin
WINDOW_START = MONDAY_NINE + timedelta(days=2)
WINDOW_END = WINDOW_START + timedelta(hours=2)
POLICY = Policy()
HAIRCUT = ItemFacts(
    item_code="haircut",
    item_version=1,
    active=True,
    expected_minutes=30,
    slots=1,
    home_visit=False,
    skills=("haircut",),
)
RESIDENT = ResidentFacts(
    person_id=WANG, household_id=WANG_HOME, entrance_id="entrance-001", grid_id="grid-01", consented=True
)


def by(actor_id: UUID, role: Role, channel: Channel = Channel.WEB, on_behalf_of: UUID | None = None) -> By:
    return By(actor_id=actor_id, role=role, channel=channel, on_behalf_of=on_behalf_of)


RESIDENT_WANG = by(WANG, Role.RESIDENT)
DISPATCHER = by(DUAN, Role.DISPATCHER)
MANAGER = by(ZHAN, Role.STATION_MANAGER)
REVIEWER = by(RUI, Role.REVIEWER, Channel.PHONE)


def as_volunteer(volunteer_id: UUID) -> By:
    return by(volunteer_id, Role.VOLUNTEER)


def volunteer(volunteer_id: UUID = ANNA, **facts: Any) -> VolunteerFacts:
    known: dict[str, Any] = {
        "state": "ACTIVE",
        "household_id": {ANNA: ANNA_HOME, BO: BO_HOME}.get(volunteer_id),
        "entrance_id": "entrance-002",
        "grid_id": "grid-01",
        "skills": {"haircut": 2},
    }
    return VolunteerFacts(volunteer_id=volunteer_id, **(known | facts))


def proposal(volunteer_id: UUID, offer: int, **facts: Any) -> Proposal:
    return Proposal(
        offer_id=uid(300 + offer), score=7, reasons=("for:same_grid",), **dict(volunteer(volunteer_id, **facts))
    )


def place(at: datetime = MONDAY_NINE, **changes: Any) -> PlaceOrder:
    asked: dict[str, Any] = {
        "by": RESIDENT_WANG,
        "at": at,
        "order_id": ORDER,
        "order_no": "20260302",
        "item": HAIRCUT,
        "resident": RESIDENT,
        "window_start": WINDOW_START,
        "window_end": WINDOW_END,
    }
    return PlaceOrder(**(asked | changes))


def item(**changes: Any) -> ItemFacts:
    return HAIRCUT.model_copy(update=changes)


def from_inquiry(at: datetime = MONDAY_NINE, **changes: Any) -> CreateOrderFromInquiry:
    asked: dict[str, Any] = dict(place(at)) | {
        "by": MANAGER,
        "inquiry_id": INQUIRY,
        "inquired_by": GUO,
        "inquiry_result": "need",
        "converted": False,
        "on_absence": "call",
        "invited": (ANNA, BO),
    }
    del asked["rework_of"], asked["possible_duplicate_of"]
    return CreateOrderFromInquiry(**(asked | changes))


def ask(command_class: type[OrderCommand], by: By, at: datetime, **fields: Any) -> Any:
    return command_class(by=by, at=at, order_id=ORDER, **fields)


class Story:
    """An order told command by command; `at` goes on as told. Every event is folded, in and out of JSON."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.order: Order | None = None
        self.events: list[InOrderStream] = []
        self.at = MONDAY_NINE
        self.policy = policy
        self._next_offer = 0

    def do(self, command: Command) -> Sequence[InOrderStream]:
        told = command.model_copy(update={"policy": self.policy}) if isinstance(command, OrderCommand) else command
        said = decide(told, self.order)  # type: ignore[arg-type]
        for event in said:
            read_again = type(event).model_validate_json(event.to_json())
            assert read_again == event
            self.order = evolve(self.order, read_again)
        self.events += said
        return said

    def refused(self, command: Command) -> Refused:
        told = command.model_copy(update={"policy": self.policy}) if isinstance(command, OrderCommand) else command
        try:
            decide(told, self.order)  # type: ignore[arg-type]
        except Refused as refused:
            return refused
        raise AssertionError(f"{type(command).__name__} was not refused in {self.state}")

    @property
    def state(self) -> OrderState | None:
        return self.order.state if self.order is not None else None

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def later(self, **delta: float) -> "Story":
        self.at += timedelta(**delta)
        return self

    def until(self, moment: datetime) -> "Story":
        self.at = moment
        return self

    def place(self, **changes: Any) -> "Story":
        self.do(place(self.at, **changes))
        return self

    def verify(self, slots: int | None = None, **changes: Any) -> "Story":
        self.do(ask(VerifyOrder, DISPATCHER, self.at, slots=slots, **({"on_absence": "call"} | changes)))
        return self

    def dispatch(self, *volunteers: UUID, by: By = DISPATCHER, **facts: Any) -> "Story":
        proposals = []
        for volunteer_id in volunteers:
            self._next_offer += 1
            proposals.append(proposal(volunteer_id, self._next_offer, **facts))
        self.do(ask(DispatchOrder, by, self.at, proposals=tuple(proposals)))
        return self

    def open(self) -> "Story":
        self.do(ask(OpenOrder, DISPATCHER, self.at))
        return self

    def accept(self, volunteer_id: UUID = ANNA, **facts: Any) -> "Story":
        self.do(self.accepting(volunteer_id, **facts))
        return self

    def accepting(self, volunteer_id: UUID = ANNA, **facts: Any) -> AcceptOrder:
        number = 400 + volunteer_id.int % 100 + len(self.events) * 1000
        accept: AcceptOrder = ask(
            AcceptOrder,
            as_volunteer(volunteer_id),
            self.at,
            assignment_id=uid(number),
            volunteer=volunteer(volunteer_id, **facts),
        )
        return accept

    def start(self, volunteer_id: UUID = ANNA) -> "Story":
        self.do(starting(self.at, volunteer_id))
        return self

    def finish(self, volunteer_id: UUID = ANNA, outcome: str = "done") -> "Story":
        self.do(finishing(self.at, volunteer_id, outcome=outcome))
        return self

    def confirm(self) -> "Story":
        self.do(confirming(self.at))
        return self

    def rate(self, score: int = 5) -> "Story":
        self.do(rating(self.at, score=score))
        return self


def starting(at: datetime, volunteer_id: UUID = ANNA, **changes: Any) -> StartService:
    asked: dict[str, Any] = {"volunteer_id": volunteer_id, "evidence": "code", "evidence_holds": True} | changes
    started: StartService = ask(StartService, asked.pop("by", as_volunteer(volunteer_id)), at, **asked)
    return started


def finishing(at: datetime, volunteer_id: UUID = ANNA, **changes: Any) -> FinishService:
    asked: dict[str, Any] = {
        "volunteer_id": volunteer_id,
        "evidence": "code",
        "evidence_holds": True,
        "outcome": "done",
    } | changes
    finished: FinishService = ask(FinishService, asked.pop("by", as_volunteer(volunteer_id)), at, **asked)
    return finished


HOUSEHOLDS = {ANNA: ANNA_HOME, BO: BO_HOME}


def confirming(at: datetime, **changes: Any) -> ConfirmCompletion:
    asked: dict[str, Any] = {
        "by": RESIDENT_WANG,
        "judge_household_id": WANG_HOME,
        "server_households": HOUSEHOLDS,
    } | changes
    confirmed: ConfirmCompletion = ask(ConfirmCompletion, asked.pop("by"), at, **asked)
    return confirmed


def rating(at: datetime, **changes: Any) -> RateOrder:
    asked: dict[str, Any] = {
        "by": RESIDENT_WANG,
        "judge_household_id": WANG_HOME,
        "server_households": HOUSEHOLDS,
        "score": 5,
        "rating_id": uid(700),
        "follow_up_id": uid(750),
        "contact_by": working_deadlines(at).contact_by,
    } | changes
    rated: RateOrder = ask(RateOrder, asked.pop("by"), at, **asked)
    return rated


def amending(at: datetime, **changes: Any) -> AmendRating:
    asked = dict(rating(at, **({"rating_id": uid(701), "score": 4} | changes)))
    return AmendRating(**asked)


def contesting(at: datetime, by: By = RESIDENT_WANG) -> ContestCompletion:
    contested: ContestCompletion = ask(ContestCompletion, by, at, dispute_id=uid(800), reason_code="not_done")
    return contested


def merging(at: datetime, **changes: Any) -> MergeOrder:
    asked: dict[str, Any] = {
        "into": uid(3),
        "into_order_no": "20260303",
        "into_state": OrderState.PLACED,
        "into_household_id": WANG_HOME,
        "into_beneficiary_id": WANG,
    } | changes
    merged: MergeOrder = ask(MergeOrder, DISPATCHER, at, **asked)
    return merged


def in_state(state: OrderState | None) -> Story:
    """An order brought to `state` on the shortest way that people take."""
    story = Story()
    if state is None:
        return story
    story.place().later(minutes=30)
    if state is OrderState.PLACED:
        return story
    if state is OrderState.REFUSED:
        story.do(ask(RefuseOrder, DISPATCHER, story.at, reason_code="out_of_area"))
        return story
    if state is OrderState.CANCELLED:
        story.do(ask(CancelOrder, RESIDENT_WANG, story.at))
        return story
    story.verify().later(minutes=10)
    if state is OrderState.VERIFIED:
        return story
    if state is OrderState.MERGED:
        story.do(merging(story.at))
        return story
    if state is OrderState.UNFULFILLED:
        story.until(WINDOW_END).do(unfulfilled(story.at))
        return story
    if state is OrderState.OPEN:
        return story.open()
    story.dispatch(ANNA, BO).later(minutes=10)
    if state is OrderState.OFFERED:
        return story
    story.accept()
    if state is OrderState.ACCEPTED:
        return story
    story.until(WINDOW_START).start()
    if state is OrderState.IN_SERVICE:
        return story
    story.later(minutes=35).finish()
    if state is OrderState.SERVED:
        return story
    story.later(minutes=5).confirm()
    if state is OrderState.COMPLETED:
        return story
    story.later(minutes=5)
    if state is OrderState.DISPUTED:
        story.do(contesting(story.at))
        return story
    if state is OrderState.RATED:
        return story.rate()
    if state is OrderState.CLOSED:
        story.rate().later(days=8).do(ask(CloseOrder, SYSTEM, story.at))
        return story
    if state is OrderState.FOLLOW_UP:
        return story.rate(2)
    raise AssertionError(f"nothing leads to {state}")


REACHED = tuple(OrderState)


def unfulfilled(at: datetime, **changes: Any) -> DeclareUnfulfilled:
    asked: dict[str, Any] = {
        "by": DISPATCHER,
        "reason_code": "nobody_available",
        "seconded_by": ZHAN,
        "seconder_entitled": True,
    } | changes
    declared: DeclareUnfulfilled = ask(DeclareUnfulfilled, asked.pop("by"), at, **asked)
    return declared


LEADER = by(RUI, Role.TEAM_LEADER)


def no_show(at: datetime, volunteer_id: UUID = ANNA, **changes: Any) -> RecordVolunteerNoShow:
    recorded: RecordVolunteerNoShow = ask(
        RecordVolunteerNoShow, changes.pop("by", RESIDENT_WANG), at, volunteer_id=volunteer_id
    )
    return recorded


def past(story: Story, volunteer_id: UUID = ANNA, **changes: Any) -> PastService:
    """Half an hour at the window's start, in the volunteer's slot or in a new one."""
    held = story.order.holds(volunteer_id) if story.order is not None else None
    written: dict[str, Any] = {
        "assignment_id": held.assignment_id if held is not None else uid(950 + volunteer_id.int % 10),
        "volunteer": volunteer(volunteer_id),
        "started_at": WINDOW_START,
        "finished_at": WINDOW_START + timedelta(minutes=30),
    }
    return PastService(**(written | changes))


def recording(at: datetime, story: Story, *services: PastService, by: By = LEADER) -> RecordServiceAfterwards:
    recorded: RecordServiceAfterwards = ask(
        RecordServiceAfterwards, by, at, services=services or (past(story),), attachment_hash="a" * 64
    )
    return recorded


def last_day(licence: str, day: date) -> dict[str, dict[str, date]]:
    return {"licences": {licence: day}}
