"""A text as QR symbols that any phone reads: split into labelled parts, each a plain text of its own.

Error level M and at most 560 bytes a symbol keep it within version 18 (89 × 89 modules): printed 5 cm wide, a module
is half a millimetre. Parts are to be joined as they are, in order.
"""

from io import BytesIO

import segno

PART_BYTES = 560
PARTS_MAX = 9


def parts_of(text: str) -> list[str]:
    """The text in parts of at most PART_BYTES, none of which begins or ends with a blank: phones drop those."""
    parts, left = [], text
    while len(left.encode()) > PART_BYTES:
        cut = len(left.encode()[:PART_BYTES].decode(errors="ignore"))
        while cut > 1 and (left[cut - 1].isspace() or left[cut].isspace()):
            cut -= 1
        parts.append(left[:cut])
        left = left[cut:]
    return [*parts, left]


def symbol(text: str) -> str:
    """One QR symbol as SVG. The text is put in as bytes of UTF-8, which every reader of today expects."""
    made = BytesIO()
    code = segno.make(text.encode(), mode="byte", error="m", micro=False, boost_error=False)
    code.save(made, kind="svg", border=4, xmldecl=False, svgns=True)
    return made.getvalue().decode()
