"""Who hears which event, and what they do about it: domain.md §4.9, for the catalogue."""

_COPY = "keeps a copy for its guards"
_PEOPLE = (
    *("PersonRegistered", "PersonMoved", "PersonErased", "ConsentGiven", "ConsentWithdrawn"),
    *("ProxyAuthorised", "ProxyEnded"),
)
_RELATIONS = ("RelationDeclared", "RelationEnded", "RoleGranted", "RoleRevoked")
_CANDIDATES = (
    *("VolunteerRegistered", "VolunteerActivated", "VolunteerResumed", "VolunteerReinstated", "SkillDeclared"),
    *("SkillVerified", "LicenceRecorded", "InsuranceRecorded", "AvailabilitySet"),
    *("TrainingCompleted", "GuardianConsentRecorded", "PersonBlocked", "PersonUnblocked"),
    *("MemberJoined", "MemberLeft", "LeaderAppointed", "TeamDissolved"),
)
_LAPSING = ("VolunteerPaused", "VolunteerSuspended", "VolunteerWithdrawn", "LicenceExpired", "PersonErased")

_ARROWS: list[tuple[str, tuple[str, ...], str, str]] = [
    ("volunteers", _PEOPLE + _RELATIONS, "orders", _COPY),
    ("volunteers", _PEOPLE + _RELATIONS, "ledger", _COPY),
    ("volunteers", _PEOPLE + _RELATIONS, "notify", _COPY),
    ("volunteers", _CANDIDATES, "orders", "ranks candidates by it"),
    ("volunteers", _LAPSING, "orders", "ends the volunteer's assignments: AssignmentLapsed"),
    ("volunteers", ("PersonErased",), "orders", "destroys its keys: PersonDataErased"),
    ("volunteers", ("PersonErased",), "ledger", "destroys its keys, save what law keeps: PersonDataErased"),
    ("volunteers", ("PersonErased",), "notify", "destroys its keys: PersonDataErased"),
    ("volunteers", ("HoursLogged",), "ledger", "posts the minutes: EntryPosted or EntryRefused"),
    ("orders", ("OrderPlaced",), "notify", "tells the resident the number and by when, and the dispatcher"),
    ("orders", ("OrderInfoRequested",), "notify", "asks the resident"),
    ("orders", ("OrderInfoProvided",), "notify", "gives it back to the dispatcher"),
    ("orders", ("OrderRefused",), "notify", "tells the resident where to turn"),
    ("orders", ("OrderDispatched",), "notify", "tells each volunteer of their offer"),
    ("orders", ("OrderOpened",), "notify", "tells eligible volunteers, in one digest"),
    ("orders", ("OrderAccepted", "OrderStaffed"), "notify", "tells the resident; queues reminders"),
    (
        "orders",
        ("AcceptanceWithdrawn", "AssignmentLapsed", "OrderRedispatched", "OrderRescheduled", "OrderCancelled"),
        "notify",
        "cancels what is pending and tells those concerned; within two hours by phone",
    ),
    ("orders", ("OrderEscalated",), "notify", "tells the role it went up to"),
    ("orders", ("ServiceFinished",), "volunteers", "claims the minutes: HoursClaimed"),
    ("orders", ("ServiceFinished",), "notify", "asks the resident to confirm"),
    ("orders", ("ServiceAutoClosed",), "notify", "asks the volunteer to enter their times"),
    (
        "orders",
        ("VolunteerNoShowRecorded",),
        "notify",
        "tells those concerned, and until when to contest it",
    ),
    ("orders", ("ResidentAbsentRecorded",), "notify", "puts a call to the resident on the list; thanks who came"),
    ("orders", ("ServiceRecordedAfterwards",), "notify", "asks the resident to confirm"),
    ("orders", ("WelfareCheckRaised",), "notify", "tells the grid worker, and puts a call to the person on the list"),
    ("orders", ("WelfareCheckEscalated",), "notify", "tells the role it went up to, and the grid worker again"),
    ("orders", ("WelfareCheckClosed",), "notify", "cancels what is pending"),
    ("orders", ("FollowUpOpened",), "notify", "tells the reviewers; puts a call to the resident on the list"),
    ("orders", ("RectificationOrdered", "RectificationRejected"), "notify", "tells who is responsible"),
    ("orders", ("RectificationReported",), "notify", "puts a call to the resident on the list"),
    ("orders", ("FollowUpContacted", "RectificationVerified", "FollowUpClosed"), "notify", "cancels what is pending"),
    ("orders", ("FollowUpOverdue",), "notify", "tells the role it went up to"),
    ("orders", ("DisputeRaised", "DisputeAppealed"), "notify", "tells the social workers"),
    ("orders", ("DisputeResolved",), "notify", "tells every side, and until when it may be taken further"),
    (
        "orders",
        ("CompletionConfirmed", "CompletionPresumed"),
        "volunteers",
        "confirms the claim and credits it: HoursConfirmed, then HoursLogged or HoursHeld",
    ),
    ("orders", ("CompletionConfirmed", "CompletionPresumed"), "notify", "asks the resident to rate"),
    ("orders", ("OrderMerged",), "notify", "tells the resident which order takes care of it"),
    ("orders", ("AssignmentReconfirmed",), "notify", "queues reminders for the new time"),
    ("orders", ("OrderReopened",), "notify", "tells the dispatcher and the resident"),
    ("orders", ("CompletionContested",), "notify", "tells who mediates"),
    (
        "orders",
        ("CompletionContested", "DisputeRaised", "DisputeAppealed"),
        "volunteers",
        "holds hours that are not credited, and puts credited ones in doubt: HoursHeld or CorrectionRequested",
    ),
    (
        "orders",
        ("DisputeResolved",),
        "volunteers",
        "releases or rejects what was held, doubts credited hours that should change, ends a suspension found wrong",
    ),
    ("orders", ("OrderRatingAmended",), "notify", "at two stars or fewer, puts a call to the resident on the list"),
    ("orders", ("OrderUnfulfilled",), "notify", "puts a call to the resident on the list"),
    ("orders", ("OrderRated",), "notify", "at two stars or fewer, puts a call to the resident on the list"),
    ("ledger", ("EntryPosted",), "volunteers", "keeps the position of the minutes"),
    ("ledger", ("EntryPosted",), "notify", "tells the volunteer of their minutes"),
    ("ledger", ("EntryRefused",), "volunteers", "puts the claim in doubt: CorrectionRequested"),
    ("ledger", ("DonationReceived", "DonationReceipted"), "notify", "thanks the donor, by donor_ref"),
    ("ledger", ("ProceedsDeposited",), "notify", "tells the station that discloses it"),
    (
        "ledger",
        ("AidApplied", "AidVerified", "AidAmended"),
        "notify",
        "tells the next role, and the applicant by case_id",
    ),
    ("ledger", ("AidPublicized", "AidApprovalLapsed"), "notify", "tells the approvers"),
    ("ledger", ("AidApproved",), "notify", "with the last approval, tells the cashier"),
    ("ledger", ("AidRejected",), "notify", "cancels what is pending; tells the applicant until when they may object"),
    ("ledger", ("AidDisbursed",), "notify", "asks the applicant whether it is there; tells who looks in again"),
    (
        "ledger",
        (
            *("DonationRefunded", "MarketDisclosed", "AidReceiptConfirmed", "AidFollowedUp", "AidReturned"),
            "AidReversed",
        ),
        "notify",
        "cancels what is pending",
    ),
]


def heard_by(service: str, name: str) -> list[tuple[str, str]]:
    """The services that hear an event and what each does about it."""
    return [(who, what) for owner, names, who, what in _ARROWS if owner == service and name in names]


def arrows() -> set[tuple[str, str]]:
    """Every (service, event) that somebody hears."""
    return {(owner, name) for owner, names, _, _ in _ARROWS for name in names}
