"""Each rule finds what it is for, and leaves alone what is right: a rule that finds nothing keeps no house."""

import pytest

from tests.tidy import rules

PURE = "services/orders/decider.py"

BAD = [
    (rules.known_kind, "docs/plan.docx", ""),
    (rules.not_too_long, "eventstore/log.py", "x = 1\n" * 401),
    (rules.not_too_long, "eventstore/log.py", f"x = '{'y' * 120}'\n"),
    (rules.no_work_left, "eventstore/log.py", "# " + "TO" + "DO: later\n"),
    (rules.no_address_of_a_machine, "Dockerfile", "RUN pip install -i https://" + "pypi" + ".org/simple x\n"),
    (rules.no_address_of_a_machine, "requirements.lock", "--find-links https://example.org\n"),
    (rules.no_address_of_a_machine, "docs/index.md", "see " + "/ro" + "ot/x\n"),
    (rules.no_long_function, "cli/main.py", "def main():\n" + "    x = 1\n" * 70),
    (rules.no_banned_name, PURE, "from datetime import datetime\ndef decide(): return datetime.now()\n"),
    (rules.no_banned_name, "services/orders/commands/place.py", "import datetime\nat = datetime.datetime.now(UTC)\n"),
    (rules.no_banned_name, "services/orders/decider/accept.py", "from uuid import uuid4\norder_id = uuid4()\n"),
    (rules.no_banned_name, PURE, "import random\nx = random.choice([1])\n"),
    (rules.no_banned_name, PURE, "from random import choice\nx = choice([1])\n"),
    (rules.no_banned_name, PURE, "from uuid import uuid4 as new\norder_id = new()\n"),
    (rules.no_banned_name, PURE, "import time as clock\nat = clock.time()\n"),
    (rules.no_banned_name, "services/orders/api.py", "def f():\n    import pyarrow as pa\n    pa.schema([])\n"),
    (rules.no_banned_name, "cli/audit/run.py", "from pyarrow import parquet\nparquet.read_table('x')\n"),
    (rules.no_banned_name, "eventstore/log.py", "from datetime import datetime\nat = datetime.utcnow()\n"),
    (rules.no_banned_name, "services/orders/api.py", "print('here')\n"),
    (rules.no_banned_name, "servicekit/http.py", "from time import sleep\nsleep(1)\n"),
    (rules.no_banned_name, "services/ledger/decider.py", "def post(amount_fen: float) -> None: ...\n"),
    (rules.no_banned_name, "contracts/ledger/gifts.py", "class Gift:\n    amount: float\n"),
    (rules.no_swallowed_error, "cli/main.py", "try:\n    f()\nexcept:\n    raise\n"),
    (rules.no_swallowed_error, "cli/main.py", "try:\n    f()\nexcept Exception:\n    pass\n"),
    (rules.no_swallowed_error, "cli/main.py", "for x in y:\n  try: f()\n  except BaseException: continue\n"),
    (rules.no_swallowed_error, "cli/main.py", "with contextlib.suppress(Exception):\n    f()\n"),
    (rules.no_fixed_sleep_in_a_test, "tests/orders/test_api.py", "async def t():\n    await asyncio.sleep(0.5)\n"),
    (rules.chinese_has_its_own_punctuation, "services/orders/refusals.py", "X = '时间已过,再试一次。'\n"),
    (rules.chinese_has_its_own_punctuation, "services/orders/refusals.py", "X = f'没有这个编码:{code}。'\n"),
    (rules.chinese_has_its_own_punctuation, "cli/main.py", "X = '还在启动(稍等)'\n"),
    (rules.chinese_has_its_own_punctuation, "services/notify/templates.yaml", "body: 不用去了,谢谢\n"),
    (rules.no_unlogged_table, "eventstore/migrations/0009_x.sql", "create unlogged table x (y int);\n"),
    (rules.no_unlogged_table, "eventstore/replay/run.py", "SQL = 'CREATE UNLOGGED TABLE x (y int)'\n"),
    (rules.no_unlogged_table, "portal/pages.py", "def f(t): return f'ALTER TABLE {t} SET UNLOGGED'\n"),
    (rules.no_unlogged_table, "services/orders/read_models.py", "Table('x', prefixes=['UNLOGGED'])\n"),
    (rules.says_what_it_is, "services/orders/__init__.py", ""),
]  # fmt: skip

GOOD = [
    (rules.known_kind, "Makefile", ""),
    (rules.not_too_long, "eventstore/log.py", "x = 1\n" * 400),
    (rules.not_too_long, "README.md", "y" * 200),
    (rules.no_work_left, "eventstore/log.py", "# a todo list is what a coordinator has\n"),
    (rules.no_address_of_a_machine, "docs/index.md", "https://example.org/home/page and ./work/x\n"),
    (rules.no_long_function, "cli/main.py", "def main():\n" + "    x = 1\n" * 69),
    (rules.no_banned_name, "cli/bundle/tables.py", "import pyarrow as pa\nrows = pa.schema([])\n"),
    (rules.no_banned_name, PURE, "from datetime import timedelta\nage = command.at - timedelta(days=1)\n"),
    (rules.no_banned_name, "servicekit/clock.py", "from datetime import UTC, datetime\nat = datetime.now(UTC)\n"),
    (rules.no_banned_name, "cli/main.py", "print('here')\n"),
    (rules.no_banned_name, "services/orders/api.py", "distance: float\n"),
    (rules.no_swallowed_error, "cli/main.py", "try:\n    f()\nexcept Exception:\n    log.exception('x')\n"),
    (rules.no_swallowed_error, "cli/main.py", "try:\n    f()\nexcept OSError:\n    pass\n"),
    (rules.no_fixed_sleep_in_a_test, "tests/orders/test_api.py", "async def t():\n    await asyncio.sleep(0)\n"),
    (rules.chinese_has_its_own_punctuation, "services/orders/refusals.py", "X = '请 9:30 到，带 3,000 元：谢谢。'\n"),
    (rules.chinese_has_its_own_punctuation, "services/orders/api.py", '"""点单, 制单."""\nX = "on 点单, in English"\n'),
    (rules.chinese_has_its_own_punctuation, "services/notify/templates.yaml", "a: 不用去了  # 点单, 派单\n"),
    (rules.no_unlogged_table, "eventstore/migrations/0009_x.sql", "create table x (y int); -- never UNLOGGED\n"),
    (rules.no_unlogged_table, "eventstore/replay/shadow.py", 'def f():\n    """Never UNLOGGED."""\n'),
    (rules.no_unlogged_table, "tests/support/logs.py", "SQL = 'CREATE UNLOGGED TABLE x (y int)'\n"),
    (rules.says_what_it_is, "services/orders/__init__.py", '"""Orders come to an honest end."""\n'),
]


@pytest.mark.parametrize(("rule", "path", "text"), BAD)
def test_what_is_wrong_is_found(rule: rules.Rule, path: str, text: str) -> None:
    assert list(rule(path, text))


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_what_is_right_is_left_alone(rule: rules.Rule, path: str, text: str) -> None:
    assert not list(rule(path, text))


def test_a_folder_without_init_and_a_missing_room_are_found() -> None:
    assert list(rules.packages_have_an_init({"eventstore/log.py"}))
    assert not list(rules.packages_have_an_init({"eventstore/log.py", "eventstore/__init__.py"}))
    whole = {f"services/orders/{room}.py" for room in rules.ROOMS} | {"services/orders/README.md"}
    assert not list(rules.services_have_their_rooms(whole))
    for one in whole:
        assert list(rules.services_have_their_rooms(whole - {one}))
    assert not list(
        rules.services_have_their_rooms(whole - {"services/orders/api.py"} | {"services/orders/api/__init__.py"})
    )
