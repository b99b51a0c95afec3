"""What every refusal looks like, whoever gives it."""

import re
from typing import Any

import httpx

HAN = re.compile(r"[\u4e00-\u9fff]")


def is_problem(answer: httpx.Response, status: int, reason_code: str) -> dict[str, Any]:
    """A whole RFC 9457 problem document of this status and reason, with a sentence in both tongues."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["reason_code"]) == (status, reason_code), answer.text
    assert document["status"] == status
    assert document["type"] == f"/problems/{reason_code}"
    assert document["instance"] == answer.request.url.path
    for name in ("title", "detail"):
        assert document[name]
        assert HAN.search(document[name + "_zh"])
        assert "…" not in document[name] + document[name + "_zh"], "a fact is missing in a sentence"
    return document


def is_invalid(answer: httpx.Response, pointer: str, reason_code: str) -> None:
    """A 422 that names this place, and says what is wrong there."""
    document = is_problem(answer, 422, "invalid_request")
    named = [(error["pointer"], error["reason_code"]) for error in document["errors"]]
    assert (pointer, reason_code) in named, answer.text
    assert all(HAN.search(error["detail_zh"]) for error in document["errors"])
