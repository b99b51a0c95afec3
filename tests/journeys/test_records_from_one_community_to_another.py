"""Volunteer records from one community into an empty one, and out of it again: the same, and counted nowhere."""

import asyncio
import csv
import io
import json
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import cli.records.checking
from cli.client import Client
from cli.stack import Stack
from eventstore.clock import direct
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key
from tests.cli.program import Said, say
from tests.journeys.steps import MORNING, Journey
from tests.support.servers import temporary_directory

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

NEXT_DAY = MORNING + timedelta(days=1)
MANAGER = UUID("0199a0c0-0000-7000-8000-0000000000a1")
HEADINGS = (
    "记录类别",
    "志愿者编号",
    "姓名",
    "出生日期",
    "联系方式",
    "专业技能",
    "名称",
    "日期",
    "未分类分钟",
    "记录单位",
)
ELSEWHERE: list[tuple[str, ...]] = [
    ("基本信息", "300001", "孙示例", "1960-02-03", "10000000017", "理发", "", "2019-05-01", "", ""),
    ("志愿服务", "300001", "", "", "", "", "义务理发", "2024-03-05", "120", "隔壁社区"),
    ("表彰奖励", "300001", "", "", "", "", "优秀志愿者", "2024-12-05", "", "隔壁社区"),
    ("基本信息", "300002", "周示例", "1961-01-01", "", "", "", "2020-01-01", "", ""),
    ("培训", "300002", "", "", "", "", "=急救", "2023-06-01", "", "隔壁社区"),
]
LONG = 700
"""Services of one volunteer: more than one request holds."""
ELSEWHERE += [
    ("志愿服务", "300002", "", "", "", "", f"给老人读报，第{number}次", "2022-03-05", "45", "隔壁社区")
    for number in range(LONG)
]
DIFFERENT = ("外部记录", "账本位置")
"""What says who vouches for a record: the other community holds the entry, this one does not."""


@contextmanager
def community():
    """Four services on servers of their own, business time standing."""
    with temporary_directory() as directory:
        stack = Stack(directory, mode="demo", durable=False)
        direct(stack.clock_file, MORNING, 0)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cli.records.checking, "current_day", lambda: NEXT_DAY.date())
    return tmp_path


def records(command: str, stack: Stack, *words: object, actor: UUID = MANAGER) -> Said:
    said = say(command, "volunteer-records", *words, "--actor", actor, "--data", stack.data)
    assert said.code == 0, said
    return said


def taken_in(stack: Stack, file: Path) -> dict[str, Any]:
    lines = records("import", stack, file, "--consent", "written", "--json").lines
    told: dict[str, Any] = json.loads(lines[-1])
    return {name: told[name] for name in ("done", "skipped", "refused", "left")}


def rows_of(file: Path) -> list[dict[str, str]]:
    text = file.read_bytes().decode("utf-8-sig")
    return [
        {name: cell for name, cell in row.items() if name not in DIFFERENT} for row in csv.DictReader(io.StringIO(text))
    ]


def written(file: Path, rows: list[tuple[str, ...]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([HEADINGS, *rows])
    return file


async def live(stack: Stack) -> None:
    """One order served, credited, posted and rated; its volunteer trained."""

    def command(*words: str) -> Any:
        said = say(*words, "--data", stack.data, "--json")
        assert said.code == 0, said
        return said.document

    async with Client(stack.urls, load_issuer_key(stack.secrets_dir / ISSUER_KEY)) as client:
        # The command line runs an event loop of its own, so it speaks from another thread.
        admin = await asyncio.to_thread(command, "token", "--bootstrap", "--name", "虚构管理员")
        journey = Journey(client, lambda *_: admin, lambda moment: direct(stack.clock_file, moment, 0))
        await journey.make()
        path = f"/v1/volunteers/{journey.volunteer.person_id}/trainings"
        training = {"training": "safety", "completed_on": "2026-01-05"}
        await client.command("volunteers", path, training, actor=journey.manager)


def events_of(stack: Stack) -> list[str]:
    lines = say("events", "--data", stack.data, "--service", "volunteers", "--json").lines
    return [json.loads(line)["type"] for line in lines]


def test_records_go_from_one_community_to_another_and_stay_the_same(files):
    first, again, as_json = files / "first.csv", files / "again.csv", files / "again.json"
    with community() as stack:
        asyncio.run(live(stack))
        direct(stack.clock_file, NEXT_DAY, 0)
        # An import that was interrupted after the first volunteer goes on with the second.
        assert taken_in(stack, written(files / "part.csv", ELSEWHERE[:3]))["done"] == 1
        whole = written(files / "whole.csv", ELSEWHERE)
        assert taken_in(stack, whole) == {"done": 1, "skipped": 1, "refused": 0, "left": 0}
        assert taken_in(stack, whole) == {"done": 0, "skipped": 2, "refused": 0, "left": 0}
        records("export", stack, "--output", first)
    kinds = [row["记录类别"] for row in rows_of(first)]
    assert sorted(kinds) == sorted(["基本信息"] * 3 + ["志愿服务"] * (2 + LONG) + ["培训"] * 2 + ["表彰奖励", "评价"])
    assert first.stat().st_mode & 0o077 == 0

    with community() as stack:
        direct(stack.clock_file, NEXT_DAY, 0)
        assert taken_in(stack, first) == {"done": 3, "skipped": 0, "refused": 0, "left": 0}
        records("export", stack, "-o", again)
        records("export", stack, "-o", as_json)
        assert rows_of(again) == rows_of(first)
        # Out of JSON, or a second time: here already, and nothing is said.
        before = events_of(stack)
        assert taken_in(stack, again) == {"done": 0, "skipped": 3, "refused": 0, "left": 0}
        assert taken_in(stack, as_json) == {"done": 0, "skipped": 3, "refused": 0, "left": 0}
        assert events_of(stack) == before
        # Whatever was recorded elsewhere is credited to nobody.
        assert set(before) == {
            "PolicyAdopted",
            "PersonRegistered",
            "ConsentGiven",
            "VolunteerRegistered",
            "SkillDeclared",
        }
        for command in ("verify", "replay"):
            assert say(command, "--data", stack.data, "--json").document["ok"]
