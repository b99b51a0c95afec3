"""`chaoyangli policy`: what a file would change, and everything that is wrong with it at once."""

import json
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app

RUN = CliRunner()


def test_the_shipped_file_changes_nothing() -> None:
    answer = RUN.invoke(app, ["policy", "servicekit/policy.yaml"])
    assert (answer.exit_code, answer.stdout) == (0, "ok: 0 of the shipped figures are set otherwise\n")


def test_a_file_is_told_by_what_it_sets_otherwise(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("orders:\n  offer_minutes: 60\n  wave_sizes: [3]\nnotify:\n  calls_max: 2\n", encoding="utf-8")
    answer = RUN.invoke(app, ["policy", str(file)])
    assert answer.stdout.splitlines() == [
        "orders.offer_minutes: 120 → 60",
        "orders.wave_sizes.2: 8 → –",
        "notify.calls_max: 3 → 2",
        "ok: 3 of the shipped figures are set otherwise",
    ]
    told = json.loads(RUN.invoke(app, ["policy", str(file), "--json"]).stdout)
    assert told["differs"]["notify.calls_max"] == [3, 2]


def test_all_sections_are_checked_and_all_problems_told(tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    file.write_text("orders:\n  nothing: 1\nnotify:\n  keep_days: 30\n", encoding="utf-8")
    answer = RUN.invoke(app, ["policy", str(file), "--json"])
    problems = json.loads(answer.stdout)["problems"]
    assert answer.exit_code == 1
    assert [line.partition(":")[0] for line in problems] == [f"{file}, line 2", f"{file}, line 4"]
    assert RUN.invoke(app, ["policy", str(tmp_path / "none.yaml")]).exit_code == 1
