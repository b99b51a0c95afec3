"""Every error of a service leaves as one RFC 9457 problem document, made in one place: the app's exception handlers.

    {"type": "/problems/stale_version", "title": "...", "status": 409, "detail": "...", "reason_code": "stale_version",
     "title_zh": "...", "detail_zh": "...", "facts": {...}, "errors": [{"pointer": "/minutes", "reason_code": ...}]}

`reason_code` is for machines and stable; the sentences are for people, in English and in Chinese. A service hands over
its sentences (reason_code → status, Chinese, English); those of this module are the ones that all services share.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from contracts.command import Refused
from eventstore.errors import (
    EventRefused,
    KeyReused,
    LogUnavailable,
    NotCaughtUp,
    ReadModelMismatch,
    UncountedEvent,
    VersionConflict,
)
from servicekit.metrics import Metrics
from servicekit.tokens import TokenRefused
from servicekit.validation import field_errors

MEDIA_TYPE = "application/problem+json"
Sentence = tuple[int, str, str]
Sentences = Mapping[str, Sentence]

SHARED_SENTENCES: dict[str, Sentence] = {
    "token_missing": (401, "先登录，再办这件事。", "A bearer token is required."),
    "token_expired": (401, "登录时间到了，再登录一次就行。", "The bearer token has expired."),
    "token_invalid": (401, "登录信息不对，再登录一次就行。", "The bearer token is not valid."),
    "forbidden": (403, "您没有办理这件事的权限。", "You may not do this."),
    "role_not_held": (403, "您没有这个身份。", "You do not hold the role you asked to act in."),
    "not_found": (404, "没有找到您要的内容。", "There is no such thing here."),
    "method_not_allowed": (405, "这个地址不支持这种操作。", "This address does not take that method."),
    "key_reused": (409, "这个请求编号已用于另一件事，换一个再试。", "The Idempotency-Key was used with another body."),
    "stale_version": (409, "内容刚刚有变动，看一下新的再办。", "It has changed since; read it again and retry."),
    "body_too_large": (413, "提交的内容太长。", "The body is larger than 64 KiB."),
    "unsupported_media_type": (415, "提交的内容格式不对，需要 JSON。", "The body must be application/json."),
    "invalid_request": (422, "有的地方写得不对，按提示改一下。", "The request is not valid; see errors."),
    "idempotency_key_required": (400, "缺少请求编号。", "A command needs an Idempotency-Key of 8 to 128 characters."),
    "header_invalid": (400, "请求头写得不对。", "A request header is malformed."),
    "body_unreadable": (400, "提交的内容无法读取。", "The body is no text in UTF-8, or not readable at all."),
    "unknown_code": (422, "没有这个编码：{code}。", "There is no {kind} with the code {code}."),
    "event_refused": (422, "内容太多，无法一次记录。", "What this would record is too large."),
    "not_caught_up": (503, "数据正在同步，过几秒再试。", "What you refer to has not arrived here; retry shortly."),
    "log_unavailable": (
        503,
        "系统暂时记不下来，过一会儿再试。",
        "Nothing can be recorded now; retry with the same key.",
    ),
    "log_in_doubt": (
        503,
        "账上有一笔来历不明的记录，核对之前不再记。管理员运行 chaoyangli verify。",
        "There is an event that nobody recorded; nothing is recorded until it was looked at.",
    ),
    "busy": (503, "系统正忙，过几秒再试。", "Too many changes at once; retry shortly."),
    "feed_key_missing": (401, "缺少订阅密钥。", "A feed key is required, as Authorization: Bearer <key>."),
    "feed_key_invalid": (401, "订阅密钥不对，或者已经停用。", "The feed key is not known, or was taken back."),
    "feed_key_in_address": (
        400,
        "密钥不能写在网址里，这样会留在各处的记录里：这把密钥作废，另换一把。",
        "A key does not belong into an address, where it is written down on its way: have a new one made.",
    ),
    "since_ahead": (
        400,
        "{since} 还没到：从上次读到的地方接着读。",
        "{since} is still to come: read on after what you read last.",
    ),
    "no_events_here": (403, "这把密钥听不到这里的事件。", "This key is given no event of {service}."),
    "position_ahead": (
        409,
        "日志只到 {size}，您说已经读到 {after}。",
        "The log is told up to {size}, and you say that you have read up to {after}: it is not the log that you read.",
    ),
    "origin_ended": (
        409,
        "从 {first_lost} 起的记录已经丢失，日志从那里重新开始：从 {after} 之后接着读。",
        "What you read from {first_lost} on is lost, and the log began anew there: read on after {after}.",
    ),
    "feeds_full": (503, "订阅的人太多，过一会儿再试。", "Too many feeds are open; retry later."),
    "feeds_of_key_full": (503, "这把密钥已经开着 {open} 个订阅。", "This key has {open} feeds open; close one first."),
    "internal_error": (500, "系统出错了，过一会儿再试。", "Something went wrong on our side."),
}
"""Sentences that every service shares. A service may overrule any of them."""

RETRY_AFTER_SECONDS = 1
_ENGINE_ERRORS: tuple[type[Exception], ...] = (
    KeyReused, VersionConflict, NotCaughtUp, LogUnavailable, ReadModelMismatch, EventRefused, UncountedEvent,
)  # fmt: skip
STORE_TROUBLE: tuple[type[Exception], ...] = (
    ConnectionError,
    TimeoutError,
    asyncpg.InterfaceError,
    # asyncpg's word for a connection that broke in the middle of a statement
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    PoolTimeout,
)
"""PostgreSQL is away, going down or full: 503, to be tried again."""
_CHALLENGE = 'Bearer realm="chaoyangli"'
_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}

_log = structlog.get_logger("servicekit.problems")


class Problem(Exception):
    """A refusal that belongs to HTTP, not to a rule: answered with the sentence of its reason_code."""

    def __init__(
        self,
        reason_code: str,
        detail: str | None = None,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **facts: Any,
    ) -> None:
        super().__init__(detail or reason_code)
        self.reason_code = reason_code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.facts = facts


class ProblemBook:
    """Turns a reason_code into its document, with the service's sentences before the shared ones."""

    def __init__(self, sentences: Sentences | None = None, metrics: Metrics | None = None) -> None:
        self._sentences = {**SHARED_SENTENCES, **(sentences or {})}
        self._metrics = metrics

    def document(
        self,
        reason_code: str,
        detail: str | None = None,
        *,
        facts: Mapping[str, Any] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """The problem document. A rule's code without a sentence is a 409 that says the code: refused, never a 500."""
        plain_facts = {name: _plain(value) for name, value in (facts or {}).items()}
        unknown = (409, f"现在不能这样做（{reason_code}）。", f"This cannot be done now: {reason_code}.")
        status, chinese, english = self._sentences.get(reason_code, unknown)
        title_zh, title = _fill(chinese, self._in_chinese(plain_facts)), _fill(english, plain_facts)
        document: dict[str, Any] = {
            "type": f"/problems/{reason_code}",
            "title": title,
            "status": status,
            "detail": detail or title,
            "reason_code": reason_code,
            "title_zh": title_zh,
            "detail_zh": title_zh,
        }
        if plain_facts:
            document["facts"] = plain_facts
        if errors:
            document["errors"] = list(errors)
            document["detail_zh"] = (
                "；".join(error["detail_zh"] for error in errors if "detail_zh" in error) or title_zh
            )
        return document

    def _in_chinese(self, facts: Mapping[str, object]) -> Mapping[str, object]:
        """The fact `why` names other refusals by their codes: people read those refusals' sentences."""
        why = facts.get("why")
        if not isinstance(why, str):
            return facts
        reasons = [self._sentences.get(code, (0, code, code))[1].rstrip("。") for code in why.split(", ")]
        return {**facts, "why": "；".join(reasons)}

    def answer(
        self, document: Mapping[str, Any], request: Request, headers: Mapping[str, str] | None = None
    ) -> JSONResponse:
        """The HTTP answer of a document; 503 says when to try again, 401 how to authenticate."""
        extra = dict(headers or {})
        if self._metrics is not None:
            self._metrics.refusals.labels(document["reason_code"]).inc()
        status = document["status"]
        if status == 503:
            extra.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
        if status == 401:
            missing = document["reason_code"] in {"token_missing", "feed_key_missing"}
            extra["WWW-Authenticate"] = _CHALLENGE if missing else f'{_CHALLENGE}, error="invalid_token"'
        body = {**document, "instance": request.url.path}
        return JSONResponse(body, status_code=status, headers=extra, media_type=MEDIA_TYPE)


def install(app: FastAPI, sentences: Sentences | None = None, metrics: Metrics | None = None) -> ProblemBook:
    """Put the one error mechanism on an app. Services raise; they never build an error answer themselves."""
    book = ProblemBook(sentences, metrics)

    def refused(request: Request, error: Refused) -> JSONResponse:
        return book.answer(book.document(error.reason_code, facts=error.facts), request)

    def problem(request: Request, error: Problem) -> JSONResponse:
        document = book.document(error.reason_code, error.detail, facts=error.facts, errors=error.errors)
        return book.answer(document, request, error.headers)

    def token(request: Request, error: TokenRefused) -> JSONResponse:
        return book.answer(book.document(error.reason_code, error.detail), request)

    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = field_errors(error.errors())
        detail = "; ".join(f"{item['pointer']}: {item['detail']}".removeprefix(": ") for item in errors)
        return book.answer(book.document("invalid_request", detail, errors=errors), request)

    def http(request: Request, error: HTTPException) -> JSONResponse:
        reason_code = _BY_STATUS.get(
            error.status_code, "body_unreadable" if error.status_code < 500 else "internal_error"
        )
        document = {**book.document(reason_code), "status": error.status_code}
        return book.answer(document, request, error.headers)

    def engine(request: Request, error: Exception) -> JSONResponse:
        reason_code, detail, facts = _engine_problem(error)
        return book.answer(book.document(reason_code, detail, facts=facts), request)

    def unexpected(request: Request, error: Exception) -> JSONResponse:
        error_id = str(uuid4())
        route = getattr(request.scope.get("route"), "path", "unknown")
        _log.error("request failed", error_id=error_id, method=request.method, route=route, exc_info=error)
        detail = f"Tell us the error id {error_id}."
        return book.answer(book.document("internal_error", detail, facts={"error_id": error_id}), request)

    def store(request: Request, error: DBAPIError) -> JSONResponse:
        away = isinstance(error.orig, Exception) and _is_away(error.orig)
        return engine(request, error) if away else unexpected(request, error)

    app.add_exception_handler(Refused, refused)  # type: ignore[arg-type]
    app.add_exception_handler(Problem, problem)  # type: ignore[arg-type]
    app.add_exception_handler(TokenRefused, token)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, http)  # type: ignore[arg-type]
    for engine_error in _ENGINE_ERRORS:
        app.add_exception_handler(engine_error, engine)
    for trouble in STORE_TROUBLE:
        app.add_exception_handler(trouble, engine)
    app.add_exception_handler(DBAPIError, store)  # type: ignore[arg-type]
    app.add_exception_handler(Exception, unexpected)
    return book


def _engine_problem(error: Exception) -> tuple[str, str | None, dict[str, Any]]:
    match error:
        case KeyReused():
            return "key_reused", None, {"key": error.key}
        case VersionConflict():
            facts = {"stream": error.stream, "expected": error.expected, "actual": error.actual}
            return "stale_version", f"expected version {error.expected}, it is at {error.actual}", facts
        case NotCaughtUp():
            facts = {"source": error.source, "wanted": error.wanted, "heard": error.heard}
            return "not_caught_up", f"{error.source} is heard up to {error.heard}, not {error.wanted}", facts
        case EventRefused():
            return "event_refused", None, {}
        case UncountedEvent():
            return "log_in_doubt", None, {"position": error.position}
        case _:
            return "log_unavailable", None, {}


def _is_away(error: BaseException) -> bool:
    """Whether SQLAlchemy's wrapper, or what it wraps, says that PostgreSQL is away."""
    return isinstance(error, STORE_TROUBLE) or (error.__cause__ is not None and _is_away(error.__cause__))


def _plain(value: object) -> object:
    """A fact as JSON. Times are UTC ISO 8601 with Z."""
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return str(value)


class _Facts(dict[str, object]):
    def __missing__(self, name: str) -> str:
        return "…"


def _fill(sentence: str, facts: Mapping[str, object]) -> str:
    """Put facts into a sentence's `{name}` places; a fact that is not there shows as an ellipsis."""
    return sentence.format_map(_Facts(facts)) if "{" in sentence else sentence
