"""How commands speak: lines and tables for people, one JSON document for programs, progress while work takes time."""

import codecs
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from contracts.envelope import Recorded

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
PIPE_COLUMNS = 160
"""Nothing is cut off for a reader that has no width, such as a file."""
_columns = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
out = Console(soft_wrap=True, highlight=False, width=_columns)
err = Console(stderr=True, soft_wrap=True, highlight=False)

_lines = out

Tell = Callable[[str, int, int], None]
"""(what, done, of how many): called while work goes on."""


def print_json(document: Any) -> None:
    """One JSON document on one line; in ASCII for whoever reads no UTF-8."""
    plain = codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8"
    sys.stdout.write(json.dumps(document, ensure_ascii=plain, default=str) + "\n")
    sys.stdout.flush()


def local(moment: datetime) -> str:
    """A moment as people in Tianjin read it."""
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def in_words(error: OSError | UnicodeDecodeError, file: Path | None = None) -> str:
    """Which file was wrong, in what, and what to do: without the system's number for it."""
    if isinstance(error, UnicodeDecodeError):
        return f"{file or 'the file'} is no text in UTF-8"
    named = error.filename if error.filename is not None else file
    match error:
        case FileExistsError() if not Path(named or "").is_dir():
            return f"{named} is a file, and a directory is needed: name another place"
        case NotADirectoryError():
            return f"{named} cannot be there: above it is a file where a directory is needed"
        case IsADirectoryError():
            return f"{named} is a directory, and a file is needed"
        case FileNotFoundError() if named is not None:
            above = Path(named).parent
            return f"there is no {named}" if above.is_dir() else f"there is no directory {above} for {named}"
        case PermissionError() if named is not None:
            return f"{named} may not be read or written by whoever runs this"
        case OSError() if error.strerror:
            return f"{named}: {error.strerror}" if named is not None else error.strerror
        case _:
            return str(error)


def event_line(recorded: Recorded) -> str:
    """One event on one line: when, where, what."""
    meaning = (type(recorded.event).__doc__ or "").strip().split(" — ")[0]
    return (
        f"{local(recorded.recorded_at)}  {recorded.service + '/' + str(recorded.position):<16} "
        f"{recorded.type:<24} {meaning}  {recorded.stream}"
    )


def print_line(text: str, style: str | None = None) -> None:
    """One line as it stands; above the bars while there are some. In colour where a terminal shows it."""
    _lines.print(text, markup=False, style=style)


@contextmanager
def _above(bars: Console) -> Iterator[None]:
    """Lines for the same terminal go through the console of the bars, which makes room for them."""
    global _lines  # noqa: PLW0603 - there is one standard output
    if sys.stdout.isatty():
        _lines = bars
    try:
        yield
    finally:
        _lines = out


@contextmanager
def progress(enabled: bool = True) -> Iterator[Tell]:
    """Progress bars on standard error, one a name. Nothing where nobody watches."""
    if not enabled or not sys.stderr.isatty():
        yield lambda _what, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, redirect_stdout=False) as bars, _above(err):
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell
