"""A bundle held against one taken before: it may only be longer, however rightly it is signed."""

import pytest

from cli.bundle.checking import BundleUnreadable, check
from cli.bundle.comparing import compare
from tests.cli.bundle.bundles import bodies, write
from tests.cli.program import say

OK, CHECK_FAILED, USAGE = 0, 1, 2


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A bundle taken when the last two events of orders had not happened."""
    logs = bodies()
    del logs["orders"][-2:]
    return write(tmp_path_factory.mktemp("earlier"), logs)


def test_a_bundle_that_goes_on_is_believed(earlier, tmp_path):
    later = write(tmp_path / "later", bodies())
    assert compare(later, earlier) == []
    assert compare(earlier, earlier) == []
    assert say("audit", "verify", later, "--before", earlier).code == OK


REWRITTEN = {
    "another event": (lambda log: log.__setitem__(3, log[3].replace(b"2026-03-02", b"2026-03-03")), ["orders/4"]),
    "two swapped": (lambda log: log.insert(3, log.pop(4)), ["orders/4", "orders/5"]),
    "the last ones gone": (lambda log: log.__delitem__(slice(-4, None)), ["orders: {} events"]),
}


@pytest.mark.parametrize("what", REWRITTEN)
def test_a_log_rewritten_whole_and_signed_with_its_own_key_is_found(earlier, tmp_path, what):
    rewrite, said = REWRITTEN[what]
    logs = bodies()
    rewrite(logs["orders"])
    bundle = write(tmp_path / "bundle", logs)
    problems = compare(bundle, earlier)
    expected = [each.format(len(logs["orders"])) for each in said]
    assert [problem.startswith(each) for problem, each in zip(problems, expected, strict=True)] == [True] * len(said)
    told = say("audit", "verify", bundle, "--before", earlier, "--json")
    assert told.code == CHECK_FAILED
    assert set(problems) <= set(told.document["problems"])


def test_a_rewriting_that_is_right_in_itself_is_found_by_nothing_else(earlier, tmp_path):
    logs = bodies()
    REWRITTEN["another event"][0](logs["orders"])
    bundle = write(tmp_path / "bundle", logs)
    assert check(bundle).ok
    assert len(compare(bundle, earlier)) == 1


def test_an_earlier_bundle_that_is_not_whole_proves_nothing(earlier, tmp_path):
    later = write(tmp_path / "later", bodies())
    damaged = write(tmp_path / "damaged", bodies())
    entries = next(path for path in sorted((damaged / "logs/orders/tile/entries").rglob("*")) if path.is_file())
    content = bytearray(entries.read_bytes())
    content[400] ^= 1
    entries.write_bytes(content)
    with pytest.raises(BundleUnreadable, match="do not hash to the head"):
        compare(later, damaged)
    assert say("audit", "verify", later, "--before", damaged).code == USAGE
    (damaged / "logs/notify/checkpoint").unlink()
    (damaged / "logs/orders/checkpoint").unlink()
    with pytest.raises(BundleUnreadable, match="cannot be read"):
        compare(later, damaged)
