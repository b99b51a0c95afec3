"""The policy file: what is read, and how plainly what is wrong with it is said."""

from pathlib import Path
from typing import Annotated, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from contracts.event import PolicySetting
from contracts.orders import PolicyAdopted
from servicekit.policy import PolicyInvalid, PolicySection, PolicyText, changed, policy_text, settings_of


class Weights(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    near: int = 400
    far: int = -150


class Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    offer_minutes: Annotated[int, Field(ge=1, le=10_080)] = 120
    dispatch_minutes: Annotated[int, Field(ge=1)] = 240
    by_timer: bool = True
    wave_sizes: Annotated[tuple[int, ...], Field(min_length=1)] = (3, 8)
    weights: Weights = Weights()

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.offer_minutes > self.dispatch_minutes:
            raise PydanticCustomError(
                "impossible",
                "an offer must end within dispatch_minutes ({most})",
                {"field": "offer_minutes", "most": self.dispatch_minutes},
            )
        return self


SECTION = PolicySection("orders", Figures, PolicyAdopted)


def read(text: str) -> Figures:
    return SECTION.read(PolicyText("policy.yaml", text))


def refused(text: str) -> list[str]:
    with pytest.raises(PolicyInvalid) as raised:
        read(text)
    return str(raised.value).splitlines()


def test_what_a_file_leaves_out_keeps_its_default() -> None:
    assert read("orders:\n  offer_minutes: 60\n") == Figures(offer_minutes=60)
    assert read("") == read("orders:\n") == read("volunteers: {}\n") == Figures()


def test_a_nested_figure_and_a_list_are_read() -> None:
    policy = read("orders:\n  weights: {near: 10}\n  wave_sizes: [2, 4, 6]\n  by_timer: false\n")
    assert policy == Figures(weights=Weights(near=10), wave_sizes=(2, 4, 6), by_timer=False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "orders:\n  dispatch_minutes: 240\n  offer_minutes: 0\n",
            "policy.yaml, line 3: orders.offer_minutes = 0: input should be greater than or equal to 1",
        ),
        (
            "orders:\n  offer_minutes: soon\n",
            'policy.yaml, line 2: orders.offer_minutes = "soon": input should be a valid integer',
        ),
        (
            'orders:\n  offer_minutes: "60"\n',
            'policy.yaml, line 2: orders.offer_minutes = "60": input should be a valid integer',
        ),
        ("orders:\n  by_timer: 1\n", "policy.yaml, line 2: orders.by_timer = 1: input should be a valid boolean"),
        (
            "orders:\n  ofer_minutes: 60\n",
            "policy.yaml, line 2: orders.ofer_minutes: there is no such figure; did you mean 'offer_minutes'?",
        ),
        (
            "orders:\n  weights:\n    nere: 1\n",
            "policy.yaml, line 3: orders.weights.nere: there is no such figure; did you mean 'near'?",
        ),
        (
            "orders:\n  weights:\n    qq: 1\n",
            "policy.yaml, line 3: orders.weights.qq: there is no such figure; there are near, far",
        ),
        (
            "orders:\n  wave_sizes: [3, x]\n",
            'policy.yaml, line 2: orders.wave_sizes.2 = "x": input should be a valid integer',
        ),
        (
            "orders:\n  # patient\n  offer_minutes: 600\n",
            "policy.yaml, line 3: orders.offer_minutes = 600: an offer must end within dispatch_minutes (240)",
        ),
        ("oders:\n  x: 1\n", "policy.yaml, line 1: there is no section 'oders'; did you mean 'orders'?"),
        (
            "orders:\n  offer_minutes: 60\n  offer_minutes: 90\n",
            "policy.yaml, line 3: orders.offer_minutes stands in line 2 already",
        ),
        ("orders: 5\n", "policy.yaml, line 1: orders = 5: input should be an object"),
        ("- 1\n", "policy.yaml, line 1: a policy file has a section for each of orders, volunteers, ledger, notify"),
        ("orders: [\n", "policy.yaml, line 2: not YAML: "),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_by_line_figure_and_what_is_allowed(text: str, told: str) -> None:
    assert any(line.startswith(told) for line in refused(text)), refused(text)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    lines = refused("orders:\n  offer_minutes: 0\n  nothing: 1\n  by_timer: maybe\n")
    assert [line.split(":")[0] for line in lines] == [f"policy.yaml, line {number}" for number in (2, 4, 3)]


def test_a_policy_is_recorded_as_whole_numbers_and_restored() -> None:
    policy = Figures(wave_sizes=(2, 4), by_timer=False, weights=Weights(far=-1))
    settings = settings_of(policy)
    assert {one.code: one.value for one in settings} == {
        "offer_minutes": 120,
        "dispatch_minutes": 240,
        "by_timer": 0,
        "wave_sizes.1": 2,
        "wave_sizes.2": 4,
        "weights.near": 400,
        "weights.far": -1,
    }
    assert SECTION.restored(settings) == policy


def test_figures_of_another_version_of_the_program_are_passed_over() -> None:
    settings = (PolicySetting(code="offer_minutes", value=60), PolicySetting(code="weights.gone", value=1))
    assert SECTION.restored((*settings, PolicySetting(code="gone.too", value=2))) == Figures(offer_minutes=60)


def test_only_what_differs_is_a_change() -> None:
    assert changed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4}) == {"b": (2, 5), "c": (3, None), "d": (None, 4)}


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ours.yaml"
    monkeypatch.setenv("CHAOYANGLI_POLICY", str(path))
    with pytest.raises(PolicyInvalid, match=r"ours\.yaml: cannot be read: No such file or directory"):
        policy_text()
    path.write_text("orders:\n  offer_minutes: 61\n", encoding="utf-8")
    section = PolicySection("orders", Figures, PolicyAdopted)
    assert section.load().offer_minutes == 61
    assert section.current.offer_minutes == 61
