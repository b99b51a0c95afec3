"""Who lives in the invented community: households in real entrances, residents, volunteers with skills, the staff.

Deterministic: the same scale gives the same people, down to their ids. Nothing here knows a clock or a network.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Literal
from uuid import UUID

from cli.seed.names import draw_name, draw_phone
from contracts.command import Role
from servicekit.reference import reference

Scale = Literal["small", "full"]
SEED = 20190117
"""The day of the visit that the article begins with."""
INVENTED = "invented"
BORN_BEFORE = date(2026, 1, 1)


@dataclass(frozen=True, slots=True)
class Person:
    """One invented person. `person_key` names them within the seed; the service gives the id."""

    person_key: str
    name: str
    phone: str
    birth_date: date
    household_id: UUID
    entrance_id: str
    grid_id: str
    lives_alone: bool = False
    source: str = INVENTED

    @property
    def age(self) -> int:
        """In whole years at the beginning of 2026."""
        return (BORN_BEFORE - self.birth_date).days // 365


@dataclass(frozen=True, slots=True)
class Helper:
    """A volunteer: a person with skills, licences, and the stretches of the week they keep free."""

    person: Person
    skills: tuple[str, ...]
    licences: tuple[str, ...]
    insured: bool
    weekdays: tuple[int, ...]
    """1 is Monday. They are free all day on these."""


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody with a role, perhaps within a grid or station."""

    person: Person
    role: Role
    scope: str = "community"
    scope_id: str = "chaoyangli"


@dataclass(frozen=True, slots=True)
class Gift:
    """A gift to the fund."""

    donor: Person
    amount_fen: int
    method: Literal["bank_transfer", "cash"]
    receipt: bool
    day: int
    """Days after the beginning."""


@dataclass(frozen=True, slots=True)
class Community:
    """Everybody, and the gifts they bring."""

    scale: Scale
    residents: tuple[Person, ...]
    helpers: tuple[Helper, ...]
    staff: tuple[Staff, ...]
    gifts: tuple[Gift, ...]
    proxies: tuple[tuple[Person, Person], ...] = field(default=())
    """(principal, proxy): a child who places orders for a parent."""
    forgotten: Person | None = None
    """Somebody who moves away and asks that their data be erased."""

    @property
    def persons(self) -> tuple[Person, ...]:
        """Everybody, each once."""
        everyone = [*self.residents, *(helper.person for helper in self.helpers), *(one.person for one in self.staff)]
        if self.forgotten is not None:
            everyone.append(self.forgotten)
        return tuple({person.person_key: person for person in everyone}.values())


@dataclass(frozen=True, slots=True)
class _Size:
    volunteers: int
    residents: int
    proxies: int
    gifts: int
    days: int


SIZES: dict[Scale, _Size] = {"small": _Size(60, 60, 8, 12, 9), "full": _Size(3_966, 704, 230, 240, 365)}
"""Full: 3,966 volunteers (article) and some 4,900 residents, volunteers among them (derived)."""


def generate(scale: Scale) -> Community:
    """The community of this scale."""
    random = Random(f"{SEED}:{scale}")  # noqa: S311 - the same people every time is the point
    size = SIZES[scale]
    households = _Households(random)
    staff = _staff(random, households, grids=3 if scale == "small" else 11)
    residents = [_wang(households), *(_resident(random, households, number) for number in range(1, size.residents))]
    helpers = [_helper(random, households, number) for number in range(size.volunteers)]
    proxies = tuple(
        _child_of(random, households, number, parent) for number, parent in enumerate(residents[1 : size.proxies + 1])
    )
    # Drawn by themselves: everybody else stays who they were.
    staff += _approvers(Random(f"{SEED}:{scale}:approvers"))  # noqa: S311
    everyone = [*residents, *(proxy for _, proxy in proxies)]
    return Community(
        scale=scale,
        residents=tuple(everyone),
        helpers=tuple(helpers),
        staff=tuple(staff),
        gifts=tuple(_gift(random, everyone, helpers, number, size) for number in range(size.gifts)),
        proxies=proxies,
        forgotten=_person(random, "resident-forgotten", (70, 80), households.new()),
    )


class _Households:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._entrances = sorted(reference().entrances)

    def new(self, grid: str | None = None) -> tuple[UUID, str, str]:
        """(household, entrance, grid): a flat in some entrance, of one grid if that matters."""
        known = reference().grid_of_entrance
        entrances = [code for code in self._entrances if grid is None or known[code] == grid]
        entrance = self._random.choice(entrances)
        return UUID(int=self._random.getrandbits(128), version=4), entrance, known[entrance]


def _person(
    random: Random, person_key: str, ages: tuple[int, int], home: tuple[UUID, str, str], *, alone: bool = False
) -> Person:
    household_id, entrance_id, grid_id = home
    born = BORN_BEFORE - timedelta(days=random.randint(ages[0] * 366, ages[1] * 365))
    return Person(
        person_key, draw_name(random), draw_phone(random), born, household_id, entrance_id, grid_id, lives_alone=alone
    )


def _wang(households: _Households) -> Person:
    household_id, entrance_id, grid_id = households.new("grid-01")
    return Person(
        "resident-wang", "王桂兰", "10000000001", date(1943, 5, 6), household_id, entrance_id, grid_id, lives_alone=True
    )


def _resident(random: Random, households: _Households, number: int) -> Person:
    old = random.random() < 0.7
    ages = (68, 92) if old else (25, 67)
    return _person(random, f"resident-{number}", ages, households.new(), alone=old and random.random() < 0.3)


def _child_of(random: Random, households: _Households, number: int, parent: Person) -> tuple[Person, Person]:
    return parent, _person(random, f"proxy-{number}", (30, 60), households.new())


def _helper(random: Random, households: _Households, number: int) -> Helper:
    """55 % are sixty or older (derived). Two or three skills each; licences are rare."""
    ages = (60, 78) if random.random() < 0.55 else (16, 59)
    person = _person(random, f"volunteer-{number}", ages, households.new())
    skills = sorted(reference().skill_codes)
    # Every skill is held by somebody, even in the small community.
    chosen = {skills[number % len(skills)], *random.sample(skills, 2)}
    licences = sorted(reference().licence_codes)
    licence = (licences[number // 5 % len(licences)],) if number % 5 == 0 else ()
    weekdays = tuple(sorted(random.sample(range(1, 8), random.randint(4, 7))))
    return Helper(person, tuple(sorted(chosen)), licence, insured=number % 3 != 2, weekdays=weekdays)


def _staff(random: Random, households: _Households, grids: int) -> list[Staff]:
    def new(person_key: str, grid: str | None = None) -> Person:
        return _person(random, person_key, (28, 58), households.new(grid))

    single = (
        Role.ADMIN,
        Role.DISPATCHER,
        Role.STATION_MANAGER,
        Role.SOCIAL_WORKER,
        Role.REVIEWER,
        Role.HOURS_AUDITOR,
        Role.FUND_CLERK,
        Role.CASHIER,
        Role.SUPERVISOR,
        Role.AUDITOR,
        Role.TEAM_LEADER,
    )
    staff = [Staff(new(f"staff-{role.value.lower().replace('_', '-')}"), role) for role in single]
    staff.append(Staff(new("staff-dispatcher-2"), Role.DISPATCHER))
    staff.append(Staff(new("staff-social-worker-2"), Role.SOCIAL_WORKER))
    for number in range(1, grids + 1):
        grid = f"grid-{number:02d}"
        staff.append(Staff(new(f"staff-{grid}", grid), Role.GRID_WORKER, "grid", grid))
    return staff


def _approvers(random: Random) -> list[Staff]:
    """Who decides about aid, each with a signing key of their own."""
    households = _Households(random)
    people = [_person(random, f"staff-approver-{number}", (45, 66), households.new()) for number in (1, 2, 3)]
    return [Staff(person, Role.FUND_APPROVER) for person in people]


def _gift(random: Random, residents: list[Person], helpers: list[Helper], number: int, size: _Size) -> Gift:
    donor = random.choice([*residents, *(helper.person for helper in helpers)])
    cash = random.random() < 0.3
    amount_yuan = random.choice((20, 50, 100, 100, 200, 300)) if cash else random.choice((100, 200, 500, 1000, 2000))
    return Gift(
        donor=donor,
        amount_fen=amount_yuan * 100,
        method="cash" if cash else "bank_transfer",
        receipt=random.random() < 0.8,
        day=number * size.days // size.gifts,
    )
