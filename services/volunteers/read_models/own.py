"""The fold of volunteers' own log into the tables of people, volunteers and teams."""

from typing import ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from services.volunteers.read_models import of_persons, of_teams, of_volunteers
from services.volunteers.read_models import tables as t


class VolunteersModel(ReadModel):
    """People and their ties, volunteers, teams."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = t.metadata
    version: ClassVar[int] = 5

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the module."""
        family = recorded.stream.partition("-")[0]
        if family == "person":
            of_persons.fold(recorded, rows)
        elif family == "volunteer":
            of_volunteers.fold(recorded, rows)
        elif family in {"team", "claim"}:
            # A team is awake while its members are credited.
            of_teams.fold(recorded, rows)
