import pytest

from contracts.command import Refused, Role
from servicekit.access import AccessTable


class Cancel:
    """A command by its class."""


def table() -> AccessTable:
    return (
        AccessTable()
        .rule(Cancel, Role.RESIDENT, "own", "proxy")
        .rule(Cancel, Role.DISPATCHER)
        .rule("rate", Role.RESIDENT, "own&served", unless=["server"])
    )


def test_what_no_rule_allows_is_forbidden() -> None:
    with pytest.raises(Refused) as refused:
        table().check(Cancel, Role.VOLUNTEER, {"own"})
    assert refused.value.reason_code == "forbidden"
    assert not table().allows("unheard_of", Role.ADMIN, {"own"})


@pytest.mark.parametrize(
    ("relations", "allowed"),
    [(set(), False), ({"own"}, True), ({"proxy"}, True), ({"neighbour"}, False), ({"own", "neighbour"}, True)],
)
def test_one_of_the_relations_is_enough(relations: set[str], allowed: bool) -> None:
    assert table().allows(Cancel, Role.RESIDENT, relations) is allowed


@pytest.mark.parametrize(
    ("relations", "allowed"),
    [({"own"}, False), ({"own", "served"}, True), ({"own", "served", "server"}, False)],
)
def test_a_conjunction_needs_both_and_an_exclusion_forbids(relations: set[str], allowed: bool) -> None:
    assert table().allows("rate", Role.RESIDENT, relations) is allowed


def test_a_person_of_many_roles_acts_in_the_first_that_may_or_the_one_they_want() -> None:
    held = (Role.VOLUNTEER, Role.RESIDENT, Role.DISPATCHER)
    assert table().role_for(Cancel, held, {"own"}) is Role.RESIDENT
    assert table().role_for(Cancel, held, {"own"}, Role.DISPATCHER) is Role.DISPATCHER
    with pytest.raises(Refused, match="forbidden"):
        table().role_for(Cancel, held, {"own"}, Role.VOLUNTEER)
    with pytest.raises(Refused, match="role_not_held"):
        table().role_for(Cancel, held, {"own"}, Role.ADMIN)


def test_the_cells_are_every_command_role_and_relation() -> None:
    cells = list(table().cells())
    assert len(cells) == 2 * len(Role) * len({"any", "own", "proxy", "own&served"})
    allowed = {(cell.command, cell.role.value, cell.relation) for cell in cells if cell.allowed}
    everything = {("Cancel", "DISPATCHER", relation) for relation in ("any", "own", "proxy", "own&served")}
    assert allowed == everything | {
        ("Cancel", "RESIDENT", "own"),
        ("Cancel", "RESIDENT", "own&served"),
        ("Cancel", "RESIDENT", "proxy"),
        ("rate", "RESIDENT", "own&served"),
    }
