"""The shipped policy.yaml is the documentation of every figure: it says each one's default and where it comes from."""

from importlib import resources
from typing import Any

import pytest
import yaml

from contracts.event import SERVICES
from servicekit.policy import PolicyInvalid, PolicySection, PolicyText, policy_text, settings_of
from services.ledger.policy import POLICY as LEDGER
from services.notify.policy import POLICY as NOTIFY
from services.orders.policy import POLICY as ORDERS
from services.volunteers.policy import POLICY as VOLUNTEERS

SECTIONS: dict[str, PolicySection[Any]] = {one.service: one for one in (ORDERS, VOLUNTEERS, LEDGER, NOTIFY)}
TEXT = resources.files("servicekit").joinpath("policy.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("service", SECTIONS)
def test_the_shipped_file_says_every_figure_and_its_default(service: str) -> None:
    section = SECTIONS[service]
    assert section.read(policy_text()) == section.model()
    assert yaml.safe_load(TEXT)[service] == section.model().model_dump(mode="json"), "a figure is missing there"


@pytest.mark.parametrize(
    ("figure", "allowed"),
    [
        ("offer_minutes: 300", "at most 240"),
        ("offer_urgent_minutes: 121", "at most 120"),
        ("level_2_minutes: 240", "at least 241"),
        ("office_to_minute: 510", "at least 511"),
        ("welfare_check_top_minutes: 30", "at least 31"),
        ("rectify_working_days: 1\n  follow_up_contact_working_days: 2", "at least 2"),
        ("amend_days: 8", "at most 7"),
        ("office_weekdays: [1, 1]", "a day stands there twice"),
    ],
)
def test_figures_that_make_no_sense_together_are_refused_by_line(figure: str, allowed: str) -> None:
    with pytest.raises(
        PolicyInvalid, match=rf"^policy\.yaml, line 2: orders\.{figure.split(':', maxsplit=1)[0]}.*{allowed}$"
    ):
        ORDERS.read(PolicyText("policy.yaml", f"orders:\n  {figure}\n"))


def test_there_is_a_section_for_every_service() -> None:
    assert set(yaml.safe_load(TEXT)) == set(SERVICES)


@pytest.mark.parametrize("service", SECTIONS)
def test_every_figure_has_a_code_that_an_event_can_carry_and_is_restored_from_it(service: str) -> None:
    section = SECTIONS[service]
    settings = settings_of(section.model())
    assert len({one.code for one in settings}) == len(settings)
    assert section.restored(settings) == section.model()


def test_every_group_of_figures_names_its_source() -> None:
    """Either the figure's own line or a comment line of its group has a § or [P]."""
    sourced = False
    for number, line in enumerate(TEXT.splitlines(), 1):
        if line and not line.startswith(" "):
            sourced = False
        if line.strip().startswith("#"):
            sourced = "§" in line or "[P]" in line or sourced
        elif not line.strip():
            sourced = False
        elif ":" in line and not line.rstrip().endswith(":"):
            assert sourced or "§" in line or "[P]" in line, f"line {number}: where does this figure come from?"
