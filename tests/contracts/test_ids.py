"""UUIDv7: ordered, unique, and as RFC 9562 lays it out."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from contracts import ids
from contracts.ids import uuid7


def test_an_id_is_a_version_7_uuid_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert before <= made.int >> 80 <= after + 1


def test_later_ids_sort_later() -> None:
    made = [uuid7() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_threads_never_make_the_same_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [each for batch in pool.map(lambda _: [uuid7() for _ in range(2_000)], range(8)) for each in batch]
    assert len(set(made)) == 16_000


def test_a_clock_set_back_and_a_counter_run_out_keep_the_order(monkeypatch) -> None:
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000)
    second = uuid7()
    monkeypatch.setattr(ids, "_counter", ids._COUNTER_MAX)
    assert first < second < uuid7()
