"""The mapping: how a bank calls the columns of its statements. Shipped beside this module; another one can be named."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from cli.records.mapping import Words, loaded

FieldName = Literal[
    "booked_on", "income", "outgo", "amount", "direction", "balance", "reference", "counterparty", "summary"
]
Names = Annotated[tuple[Words, ...], Field(min_length=1)]


class Mapping(BaseModel):
    """A whole mapping file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    columns: dict[FieldName, Names]
    income_words: tuple[Words, ...] = ()
    outgo_words: tuple[Words, ...] = ()
    skip: tuple[Words, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        names = [name for words in self.columns.values() for name in words]
        twice = {name for name in names if names.count(name) > 1} | set(self.income_words) & set(self.outgo_words)
        if twice:
            raise PydanticCustomError("twice", "the word {name} stands twice", {"name": min(twice)})
        if "booked_on" not in self.columns or not (
            "amount" in self.columns or {"income", "outgo"} <= set(self.columns)
        ):
            raise PydanticCustomError("lacking", "there must be booked_on, and amount or both income and outgo")
        return self

    def fields(self, headings: list[str]) -> dict[FieldName, int]:
        """Field → the place of its column; of the names that a field has, the first that is there."""
        found: dict[FieldName, int] = {}
        for field, names in self.columns.items():
            place = next((headings.index(name) for name in names if name in headings), None)
            if place is not None:
                found[field] = place
        return found


def mapping_of(path: Path | None) -> Mapping:
    """The mapping in a file, or the shipped one. Raises MappingWrong with everything that is wrong."""
    return loaded(path, resources.files("cli.bank_statements").joinpath("mapping.yaml"), Mapping)
