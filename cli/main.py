"""`chaoyangli`: starts the system, shows what happened, replays and verifies it.

Whatever a command did to the secrets in an operator's container is handed to their readers when it ends.
The one place where exit codes are given a meaning: `EXIT_CODES`, which `chaoyangli --help` shows.
"""

import os
from pathlib import Path

import asyncpg
import httpx
import nats.errors
import typer

from cli.client import ProblemError
from cli.commands import (
    audit,
    backup,
    care,
    checkpoint,
    disclosures,
    doctor,
    fund,
    history,
    key,
    living,
    log_key,
    oversight,
    policy,
    proof,
    receipt,
    records,
    recover,
    restore,
    running,
    streams,
    subscribers,
    testkit,
    time_travel,
    upgrade,
    webhooks,
    witness,
)
from cli.directory import DirectoryTaken, StackError
from cli.embedded import DirectoryInUseError, EmbeddedError
from cli.entry import INTERRUPTED
from cli.output import err, in_words
from cli.place import SERVICES
from cli.seed.errors import JournalUnreadable, NotHeard
from cli.stopping import Interrupted
from cli.story import NothingFound
from eventstore.checkpoint import KeyFileError
from eventstore.dead_letters import NoSuchLetter
from eventstore.errors import EngineError
from eventstore.replay import ReplayRefused
from servicekit.handing import HANDED_VARIABLE, hand_out
from servicekit.secrets import SecretMissing

CHECK_FAILED, USAGE, NOT_THERE, NO_ANSWER, TAKEN, PENDING = 1, 2, 3, 4, 5, 6
EXIT_CODES = {
    0: "done",
    CHECK_FAILED: "a check failed, or a service refused",
    USAGE: "the words of the command are off",
    NOT_THERE: "nothing runs or is found there",
    NO_ANSWER: "something that is needed does not answer or cannot be started",
    TAKEN: "the data directory is in use, or belongs to something else",
    PENDING: "the program may run once the database is migrated",
    INTERRUPTED: "stopped by Ctrl-C before it was done",
}

app = typer.Typer(
    name="chaoyangli",
    help="朝阳里: volunteer orders, hours and a charity fund, on logs that anyone can check.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
PARTS = (
    running, living, history, proof, care, policy, records, fund, oversight, disclosures, receipt, witness, audit,
    time_travel, key, log_key, checkpoint, recover, backup, restore, streams, upgrade, webhooks,
    subscribers, doctor, testkit,
)  # fmt: skip
for part in PARTS:
    part.register(app)


def run() -> int:
    """Run the command line. Whatever goes wrong is one sentence on standard error and an exit code."""
    code = _run()
    handed = os.environ.get(HANDED_VARIABLE)
    if handed is None:
        return code
    try:
        hand_out(Path(os.environ["CHAOYANGLI_SECRETS_DIR"]), Path(handed), SERVICES)
    except (OSError, KeyError) as error:
        return code or _fail(error, NO_ANSWER)
    return code


def _run() -> int:
    try:
        app(standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else CHECK_FAILED
    except Interrupted as error:
        return _fail(error, INTERRUPTED)
    except (DirectoryTaken, DirectoryInUseError, JournalUnreadable) as error:
        return _fail(error, TAKEN)
    except (StackError, NothingFound, NoSuchLetter, SecretMissing) as error:
        return _fail(error, NOT_THERE)
    except EmbeddedError as error:
        return _fail(error, NO_ANSWER)
    except ReplayRefused as error:
        return _fail(error, USAGE)
    except (ProblemError, NotHeard) as error:
        return _fail(error, CHECK_FAILED)
    except (httpx.TransportError, nats.errors.Error, OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
        return _fail(error, NO_ANSWER)
    except (EngineError, asyncpg.PostgresError) as error:
        return _fail(error, CHECK_FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _fail(error: BaseException, code: int) -> int:
    told = in_words(error) if isinstance(error, OSError) else str(error)
    text = told.strip() or type(error).__name__
    if os.environ.get("CHAOYANGLI_SERVICE") and _lacks_a_secret(error):
        text += "; this container holds one service's secrets: `docker compose run --rm operator chaoyangli …` has all"
    err.print(f"chaoyangli: {text}", markup=False)
    return code


def _lacks_a_secret(error: BaseException) -> bool:
    below = os.environ.get("CHAOYANGLI_SECRETS_DIR", "")
    unread = isinstance(error, OSError) and below != "" and str(error.filename or "").startswith(below)
    return unread or isinstance(error, SecretMissing | KeyFileError)
