"""The statements' pages in a real browser, at a phone's width: they fit, and every link of theirs leads somewhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.ledger.office import AS_CLERK, AS_SUPERVISOR, Office
from tests.ledger.test_browser_check import CHROMIUM, Books, browsing, serving
from tests.ledger.test_open_books import publish
from tests.ledger.test_statements import EXPLANATION, MARCH, march, reverse, told

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")
PAGES = ("/", "/statements/", "/statements/2026-03.r1", "/statements/2026-03.r2", "/due")


@pytest.fixture
async def books(office: Office) -> AsyncIterator[Books]:
    """A month told, found wanting and corrected."""
    paid = await march(office)
    await told(office)
    await reverse(office, paid)
    words = {"reason_code": "entry_reversed", "explanation": EXPLANATION}
    drafted = await office.counter.done(f"/statements/{MARCH}/correct", words, *AS_CLERK)
    read = {"statement_sha256": drafted["statement_sha256"]}
    await office.counter.done(f"/statements/{MARCH}/correct", read, *AS_SUPERVISOR)
    await publish(office.counter)
    async with serving(office.counter) as books:
        yield books


async def test_the_pages_fit_a_phone_and_their_links_lead_somewhere(books: Books, tmp_path: Path):
    for number, path in enumerate(PAGES):
        async with browsing(books, path) as page:
            assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
            assert await page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") == 20
            low = await page.evaluate(
                "[...document.querySelectorAll('a')].filter((e) => e.getBoundingClientRect().height < 48).length"
            )
            assert low == 0, path
            await page.screenshot(path=tmp_path / f"{number}.png", full_page=True)
            for link in await page.evaluate("[...document.querySelectorAll('a')].map((e) => e.href)"):
                answer = await page.request.get(link)
                assert answer.status == 200, f"{path} → {link}"
