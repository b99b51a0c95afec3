"""The first screen of both READMEs: its commands exist, and its transcript is what the program prints."""

import re
from datetime import datetime
from pathlib import Path

import pytest
import typer.main

from cli.main import app
from cli.telling import COUNTED, Telling

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
VERIFIED = re.compile(
    r"(orders|volunteers|ledger|notify) +\d+ events  root [0-9a-f]{12}…  head signed, stream identical  ✓"
)
STORY = re.compile(r"  \d\d-\d\d \d\d:\d\d  \[王阿姨\] \S+")
DAY = re.compile(rf"\d\d-\d\d 周[一二三四五六日]( +(\d+|·)){{{len(COUNTED)}}}")


@pytest.fixture(params=READMES)
def readme(request):
    return (ROOT / request.param).read_text(encoding="utf-8")


def transcript(readme: str) -> list[str]:
    return readme.split("```console\n$ make demo\n", 1)[1].split("```", 1)[0].splitlines()


def test_both_readmes_show_the_same_transcript():
    first, second = ((ROOT / name).read_text(encoding="utf-8") for name in READMES)
    assert transcript(first) == transcript(second)


def test_every_command_and_target_named_exists(readme):
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"(?:bin/|`|exec \w+ |run --rm operator )chaoyangli ([a-z-]+)", readme))
    assert {"verify", "trail", "token"} <= named
    assert named <= commands
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", readme)) - {"install"} <= targets


def test_the_transcript_is_of_the_lines_that_the_demo_prints(readme, capsys):
    shown = transcript(readme)
    telling = Telling("small", quiet=False)
    headings = [line for line in shown if "点单  询单" in line or "asked  door" in line]
    telling.days_begin(120, 9, datetime.fromisoformat(shown[1].split("from ")[1].split(" on")[0]))
    printed = capsys.readouterr().out.splitlines()
    assert len(headings) == 2
    assert all(line in printed for line in (shown[1], *headings))
    assert any(STORY.match(line) for line in shown)
    assert any(DAY.fullmatch(line) for line in shown)
    assert sum(VERIFIED.fullmatch(line) is not None for line in shown) == 4


def test_the_sizes_verified_add_up_to_the_events_of_the_days(readme):
    shown = "\n".join(transcript(readme))
    sizes = [int(size) for size in re.findall(r"(\d+) events  root", shown)]
    assert f"{sum(sizes)} events, " in shown


def test_the_order_whose_story_is_offered_is_the_one_that_was_told(readme):
    told = re.search(r"单号 (\d{4}-\d{4})", readme)
    assert told is not None
    assert f"chaoyangli trail {told[1]}" in readme
