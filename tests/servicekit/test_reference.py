import pytest
import yaml
from pydantic import ValidationError

from contracts.command import Refused
from servicekit.reference import Reference, reference, require


def test_the_counts_of_the_article_hold() -> None:
    data = reference()
    assert len(data.projects) == 23
    assert len(data.teams) == 18
    assert len(data.catalogue) == 44
    assert len(data.grids) == 11
    assert len(data.compounds) == 7
    assert len(data.buildings) == 40
    assert data.entrances == {f"entrance-{number:03}" for number in range(1, 97)}
    assert data.station_codes == {"station-civilization", "station-leifeng"}


def test_every_entrance_lies_in_one_grid_and_has_a_name() -> None:
    data = reference()
    assert set(data.grid_of_entrance.values()) == data.grids
    assert data.names["entrance-001"] == "1号楼1门"
    assert data.names["grid-11"] == "第十一网格"


def test_minutes_and_gates_are_those_of_the_catalogue() -> None:
    items = reference().items
    assert (items["haircut-at-home"].minutes, items["haircut-at-home"].slots) == (40, 2)
    assert items["blood-pressure"].licence == "medical"
    assert (items["bulbs-and-taps"].licence, items["bulbs-and-taps"].licence_for) == ("electrician", "circuits")
    assert items["home-repair-help"].referral
    assert items["tutoring"].guardian_present


def test_a_file_that_contradicts_itself_is_refused() -> None:
    whole = reference().model_dump(mode="json")
    yaml.safe_load(yaml.safe_dump(whole))
    twice = {**whole, "teams": [*whole["teams"], whole["teams"][0]]}
    with pytest.raises(ValidationError, match="voice-of-chaoyang"):
        Reference.model_validate(twice)
    nowhere = {**whole, "catalogue": [{**whole["catalogue"][0], "project": "no-such-project"}]}
    with pytest.raises(ValidationError, match="no-such-project"):
        Reference.model_validate(nowhere)


def test_an_unknown_code_is_refused_by_name() -> None:
    data = reference()
    assert require("grid", "grid-03", data.grids) == "grid-03"
    with pytest.raises(Refused) as refused:
        require("grid", "grid-12", data.grids)
    assert refused.value.reason_code == "unknown_code"
    assert refused.value.facts == {"kind": "grid", "code": "grid-12"}
