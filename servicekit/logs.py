"""Logs: one JSON object a line on standard output, without personal data.

Nothing that a person sent is logged: no body, no query, no path with an id, no message of an exception, which may quote
a row. An exception shows as its type and the places it passed through.
"""

import logging
import logging.config
import sys
import traceback
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from eventstore.errors import EngineError

_FRAMES_MAX = 20


def configure(service: str, level: str = "INFO") -> None:
    """Let structlog and the standard library's loggers (uvicorn, asyncio, faststream) write the same JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service(service),
        exception_without_data,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False),
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(_not_twice)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "faststream"):
        logger = logging.getLogger(name)
        logger.handlers[:] = []
        logger.propagate = True
    # Its access log would hold paths with ids; `servicekit.app.Observed` logs templates.
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("httpx").setLevel(logging.WARNING)


def exception_without_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's type and places; only the engine's own messages are free of data."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if not isinstance(error, BaseException):
        return event
    event["exception"] = f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, EngineError):
        event["reason"] = str(error)
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    event["frames"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    cause = error.__cause__ or error.__context__
    if cause is not None:
        event["cause"] = f"{type(cause).__module__}.{type(cause).__qualname__}"
    return event


def _service(service: str) -> Any:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _not_twice(record: logging.LogRecord) -> bool:
    """Uvicorn repeats what the problem handler has logged with its error id already."""
    return not (record.name == "uvicorn.error" and record.getMessage().startswith("Exception in ASGI application"))
