"""A paper as whoever got it reads it: its words by poppler, its symbols by zxing, what is attached."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import zxingcpp

needs_poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="Debian's poppler-utils is not installed")


def words_of(pdf: Path) -> str:
    """All text of the paper, without blanks and line ends."""
    said = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True, timeout=240)
    return re.sub(r"\s+", "", said.stdout.decode())


def attached_to(pdf: Path, directory: Path) -> dict[str, bytes]:
    """File name → content of what goes along in the PDF."""
    directory.mkdir()
    subprocess.run(["pdfdetach", "-saveall", "-o", directory, pdf], check=True, capture_output=True, timeout=240)
    return {file.name: file.read_bytes() for file in directory.iterdir()}


def symbols_on(pdf: Path, directory: Path, dpi: int = 150) -> list[str]:
    """The texts of the QR symbols as a person scans them: row by row, from the left."""
    directory.mkdir()
    subprocess.run(["pdftoppm", "-gray", "-r", str(dpi), pdf, directory / "page"], check=True, timeout=240)
    found = []
    for number, page in enumerate(sorted(directory.glob("*.pgm"))):
        content = page.read_bytes()
        size = re.match(rb"P5\s(\d+)\s(\d+)\s255\s", content)
        assert size is not None
        image = memoryview(content[size.end() :]).cast("B", (int(size[2]), int(size[1])))
        for symbol in zxingcpp.read_barcodes(image):
            corner = symbol.position.top_left
            found.append((number, round(corner.y / dpi), corner.x, symbol.text))
    return [text for *_, text in sorted(found)]
