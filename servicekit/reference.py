"""The community's codes: organisation, stations, projects, teams, catalogue. Loaded once, checked whole, never changed.

Until a service owns them as events, one validated file does (domain.md §4.8): services check codes against it, and take
names from it to show. Every row says where it comes from.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.command import Refused

Code = Annotated[str, Field(pattern=r"^[a-z0-9_:.\-]{1,64}$")]
Source = Literal["article", "press", "derived"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))


class Named(_Row):
    """A code with the name people use, and where the name comes from."""

    code: Code
    name: Annotated[str, Field(min_length=1, max_length=40)]
    source: Source


class Unit(Named):
    """A unit of the organisation's tree: district, street, community, grid (with its party branch), compound."""

    kind: Literal["district", "street", "community", "grid", "compound"]
    parent: Code | None


class Building(Named):
    """A building, in one compound and one grid, with its entrances (楼门)."""

    compound: Code
    grid: Code
    entrances: tuple[Code, ...]


class Station(Named):
    """A service station (所站): where inquiries are turned into orders."""

    grid: Code


class CatalogueItem(Named):
    """A form of service that can be asked for. `licence` gates who is a candidate; `slots` are needed."""

    minutes: Annotated[int, Field(ge=1, le=480)]
    slots: Annotated[int, Field(ge=1, le=5)]
    home_visit: bool
    licence: Code | None = None
    licence_for: Code | None = None
    """The part of the work that needs the licence; None: all of it."""
    skills: tuple[Code, ...] = ()
    insurance_required: bool = False
    referral: bool = False
    """Not volunteer work: the order is passed on to whoever does it."""
    guardian_present: bool = False
    project: Code


class Reference(_Row):
    """The whole file. Construction fails when codes repeat or point nowhere."""

    version: int
    organisation: tuple[Unit, ...]
    buildings: tuple[Building, ...]
    stations: tuple[Station, ...]
    venues: tuple[Named, ...]
    projects: tuple[Named, ...]
    teams: tuple[Named, ...]
    licences: tuple[Named, ...]
    skills: tuple[Named, ...]
    trainings: tuple[Named, ...]
    catalogue: tuple[CatalogueItem, ...]
    retired: tuple[Named, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _once("organisation, buildings, stations, venues", self.unit_codes_listed())
        for part in ("projects", "teams", "licences", "skills", "trainings"):
            _once(part, [row.code for row in getattr(self, part)])
        _once("catalogue", [row.code for row in (*self.catalogue, *self.retired)])
        units = {unit.code for unit in self.organisation}
        _known("parent", [unit.parent for unit in self.organisation if unit.parent], units)
        _known("grid", [row.grid for row in self.buildings] + [row.grid for row in self.stations], self.grids)
        _known("compound", [row.compound for row in self.buildings], self.compounds)
        _known("project", [item.project for item in self.catalogue], self.project_codes)
        _known("licence", [item.licence for item in self.catalogue if item.licence], self.licence_codes)
        _known("skill", [skill for item in self.catalogue for skill in item.skills], self.skill_codes)
        return self

    def unit_codes_listed(self) -> list[str]:
        """Every code of a place or a unit, as often as it stands there."""
        entrances = [entrance for building in self.buildings for entrance in building.entrances]
        rows: Sequence[Named] = (*self.organisation, *self.buildings, *self.stations, *self.venues)
        return [row.code for row in rows] + entrances

    @cached_property
    def units(self) -> frozenset[str]:
        """Every code that may stand where a unit or a place is asked for."""
        return frozenset(self.unit_codes_listed())

    @cached_property
    def grids(self) -> frozenset[str]:
        return frozenset(unit.code for unit in self.organisation if unit.kind == "grid")

    @cached_property
    def compounds(self) -> frozenset[str]:
        return frozenset(unit.code for unit in self.organisation if unit.kind == "compound")

    @cached_property
    def grid_of_entrance(self) -> dict[str, str]:
        """Entrance → its grid: who is responsible for the door."""
        return {entrance: building.grid for building in self.buildings for entrance in building.entrances}

    @cached_property
    def compound_of_entrance(self) -> dict[str, str]:
        return {entrance: building.compound for building in self.buildings for entrance in building.entrances}

    @cached_property
    def building_of_entrance(self) -> dict[str, str]:
        return {entrance: building.code for building in self.buildings for entrance in building.entrances}

    @cached_property
    def entrances(self) -> frozenset[str]:
        return frozenset(self.grid_of_entrance)

    @cached_property
    def station_codes(self) -> frozenset[str]:
        return frozenset(row.code for row in self.stations)

    @cached_property
    def project_codes(self) -> frozenset[str]:
        return frozenset(row.code for row in self.projects)

    @cached_property
    def team_codes(self) -> frozenset[str]:
        return frozenset(row.code for row in self.teams)

    @cached_property
    def skill_codes(self) -> frozenset[str]:
        return frozenset(row.code for row in self.skills)

    @cached_property
    def training_codes(self) -> frozenset[str]:
        return frozenset(row.code for row in self.trainings)

    @cached_property
    def licence_codes(self) -> frozenset[str]:
        return frozenset(row.code for row in self.licences)

    @cached_property
    def items(self) -> dict[str, CatalogueItem]:
        """Item code → catalogue item."""
        return {item.code: item for item in self.catalogue}

    @cached_property
    def names(self) -> dict[str, str]:
        """Code of a place, unit or venue → its name; an entrance is named after its building."""
        names = {row.code: row.name for row in (*self.organisation, *self.buildings, *self.stations, *self.venues)}
        for building in self.buildings:
            names |= {code: f"{building.name}{number}门" for number, code in enumerate(building.entrances, 1)}
        return names


@cache
def reference() -> Reference:
    """The community's reference data. Raises ValidationError when the file contradicts itself."""
    text = resources.files("servicekit").joinpath("reference.yaml").read_text(encoding="utf-8")
    return Reference.model_validate(yaml.safe_load(text))


def require(kind: str, code: str, known: Iterable[str]) -> str:
    """Return the code if it is known, else raise Refused("unknown_code") that names the kind and the code."""
    if code not in known:
        raise Refused("unknown_code", kind=kind, code=code)
    return code


def _once(what: str, codes: Sequence[str]) -> None:
    repeated = sorted(code for code, times in Counter(codes).items() if times > 1)
    if repeated:
        raise ValueError(f"{what}: codes stand more than once: {', '.join(repeated)}")


def _known(what: str, codes: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(codes) - set(known))
    if unknown:
        raise ValueError(f"{what}: no such code: {', '.join(unknown)}")
