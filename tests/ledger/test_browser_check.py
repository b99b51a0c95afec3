"""The open books in a real browser, at a phone's width: a receipt is believed or refused there, offline."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Page, ViewportSize, async_playwright

from tests.ledger.counter import Counter
from tests.ledger.test_open_books import publish
from tests.support.waiting import eventually

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.journey, pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")]
PHONE = ViewportSize(width=375, height=740)
BY_HTTPS_OR_NOT = ("127.0.0.1", "fund.example")
"""This machine's own address counts as safe and has WebCrypto; a name in the street's network by http does not."""


@dataclass(frozen=True)
class Books:
    """A ledger that answers browsers, with three entries published."""

    counter: Counter
    port: int

    async def files(self, directory: Path, number: int) -> dict[str, Path]:
        """An entry's two files, as somebody took them away."""
        found = {}
        for kind in ("json", "tlog-proof"):
            answer = await self.counter.client.get(f"/fund/entries/{number}.{kind}")
            found[kind] = directory / f"{number}.{kind}"
            found[kind].write_bytes(answer.content)
        return found


@contextlib.asynccontextmanager
async def serving(counter: Counter) -> AsyncIterator[Books]:
    """The ledger at a port of its own."""
    config = uvicorn.Config(counter.served.app, host="127.0.0.1", port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started, every=0.01, what="the server listens")
    yield Books(counter, server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    await task


@pytest.fixture
async def books(counter: Counter) -> AsyncIterator[Books]:
    for amount_fen in (10_000, 20_000, 30_000):
        await counter.given(amount_fen=amount_fen)
    await publish(counter)
    async with serving(counter) as books:
        yield books


@contextlib.asynccontextmanager
async def browsing(books: Books, path: str, host: str = "127.0.0.1") -> AsyncIterator[Page]:
    """A page of the fund on a phone."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP fund.example 127.0.0.1"],
        )
        page = await browser.new_page(viewport=PHONE)
        await page.goto(f"http://{host}:{books.port}/fund{path}")
        yield page
        await browser.close()


async def said(page: Page) -> str:
    """What the page says once it has looked."""
    await page.click("button")
    await page.wait_for_function("document.querySelector('output').textContent !== ''")
    return await page.inner_text("output")


async def chosen(page: Page, files: dict[str, Path]) -> None:
    await page.set_input_files("#receipt", files["tlog-proof"])
    await page.set_input_files("#entry", files["json"])


@pytest.mark.parametrize("host", BY_HTTPS_OR_NOT)
async def test_a_receipt_is_believed_by_number_and_from_files(books: Books, tmp_path: Path, host: str):
    async with browsing(books, "/check", host) as page:
        assert await page.evaluate("globalThis.crypto.subtle !== undefined") is (host == "127.0.0.1")
        await page.fill("#number", "2")
        assert (await said(page)).startswith("✓ 第 2 号分录在这本账里")
        await page.fill("#number", "")
        await chosen(page, await books.files(tmp_path, 3))
        await page.evaluate("document.querySelector('output').textContent = ''")
        assert (await said(page)).startswith("✓ 第 3 号分录在这本账里")


@pytest.mark.parametrize("host", BY_HTTPS_OR_NOT)
@pytest.mark.parametrize(
    ("kind", "old", "new", "words"),
    [
        ("json", b'"amount":20000', b'"amount":29000', "分录和回执对不上"),
        ("json", b'"entry_no":2', b'"entry_no":3', "分录和回执对不上"),
        ("tlog-proof", b"c2sp.org/tlog-proof@v1", b"c2sp.org/tlog-proof@v9", "这不是一张存证回执"),
        ("tlog-proof", b"\xe2\x80\x94 chaoyangli/ledger ", b"\xe2\x80\x94 elsewhere/ledger ", "不是这本账签的"),
    ],
)
async def test_whatever_was_tampered_with_is_refused_in_plain_words(
    books: Books, tmp_path: Path, host: str, kind: str, old: bytes, new: bytes, words: str
):
    files = await books.files(tmp_path, 2)
    content = files[kind].read_bytes()
    assert old in content
    files[kind].write_bytes(content.replace(old, new))
    async with browsing(books, "/check", host) as page:
        await chosen(page, files)
        assert words in await said(page)
        assert await page.get_attribute("output", "class") == "bad"


async def test_a_forged_head_is_refused(books: Books, tmp_path: Path):
    files = await books.files(tmp_path, 2)
    proof = files["tlog-proof"].read_text()
    head = proof.split("\n\n", 1)[1]
    root = head.splitlines()[2]
    files["tlog-proof"].write_text(proof.replace(root, "A" * 43 + "="))
    async with browsing(books, "/check") as page:
        await chosen(page, files)
        assert "检查点上的签名对不上" in await said(page)


@pytest.mark.parametrize(
    ("number", "words"), [("", "写上分录号"), ("abc", "写上分录号"), ("0", "写上分录号"), ("99", "还没有第 99 号分录")]
)
async def test_what_people_type_gets_a_kind_answer(books: Books, number: str, words: str):
    async with browsing(books, "/check") as page:
        await page.fill("#number", number)
        assert words in await said(page)


async def test_one_file_alone_or_another_key_is_said(books: Books, tmp_path: Path):
    files = await books.files(tmp_path, 1)
    async with browsing(books, "/check") as page:
        await page.set_input_files("#receipt", files["tlog-proof"])
        assert "两个文件都要选" in await said(page)
        await page.set_input_files("#entry", files["json"])
        await page.fill("#vkey", "chaoyangli/ledger+00000000+AQ==")
        await page.evaluate("document.querySelector('output').textContent = ''")
        assert "公钥写得不对" in await said(page)


@pytest.mark.parametrize("path", ["", "/check"])
async def test_the_pages_fit_a_phone_and_can_be_read(books: Books, tmp_path: Path, path: str):
    async with browsing(books, path) as page:
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert await page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") == 20
        small = await page.evaluate(
            "[...document.querySelectorAll('button,input')].filter((e) => e.getBoundingClientRect().height < 60).length"
        )
        assert small == 0
        await page.screenshot(path=tmp_path / "page.png", full_page=True)


async def scanned(books: Books, tmp_path: Path, number: int) -> str:
    files = await books.files(tmp_path, number)
    return files["tlog-proof"].read_text() + files["json"].read_text()


@pytest.mark.parametrize("host", BY_HTTPS_OR_NOT)
async def test_what_was_scanned_from_a_paper_is_believed_and_its_amount_told(books: Books, tmp_path: Path, host: str):
    text = await scanned(books, tmp_path, 2)
    async with browsing(books, "/check", host) as page:
        await page.fill("#scanned", text)
        words = await said(page)
        assert words.startswith("✓ 第 2 号分录在这本账里，金额 200.00 元")
        await page.fill("#scanned", text.replace('"amount":20000', '"amount":90000'))
        await page.evaluate("document.querySelector('output').textContent = ''")
        assert "分录和回执对不上" in await said(page)
        await page.fill("#scanned", "c2sp.org/tlog-proof@v1")
        await page.evaluate("document.querySelector('output').textContent = ''")
        assert "这不是一张存证回执" in await said(page)


async def test_the_symbol_of_a_paper_leads_to_its_entry_and_to_no_other(books: Books, tmp_path: Path):
    entry = (await books.files(tmp_path, 2))["json"].read_bytes()
    leaf = sha256(b"\x00" + entry).hexdigest()
    async with browsing(books, f"/check#2.{leaf}") as page:
        assert (await said(page)).startswith("✓ 第 2 号分录在这本账里")
    async with browsing(books, f"/check#3.{leaf}") as page:
        assert "和纸上印的散列不一样" in await said(page)
