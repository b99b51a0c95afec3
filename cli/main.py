"""`chaoyangli`: starts the system, shows what happened, replays and verifies it.

Exit codes: 0 done; 1 a check failed; 2 the words of the command are off; 3 nothing runs or is found there; 4 something
that is needed does not answer.
"""

import asyncpg
import httpx
import nats.errors
import typer

from cli.client import ProblemError
from cli.commands import care, history, living, policy, proof, running
from cli.embedded import EmbeddedError
from cli.output import err
from cli.seed.order_life import NotAsPlanned
from cli.stack import StackError
from cli.story import NothingFound
from eventstore.dead_letters import NoSuchLetter
from eventstore.errors import EngineError
from eventstore.replay import ReplayRefused
from servicekit.secrets import SecretMissing

CHECK_FAILED, USAGE, NOT_THERE, NO_ANSWER = 1, 2, 3, 4

app = typer.Typer(
    name="chaoyangli",
    help="朝阳里: volunteer orders, hours and a charity fund, on logs that anyone can check.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for part in (running, living, history, proof, care, policy):
    part.register(app)


def run() -> int:
    """Run the command line. Whatever goes wrong is one sentence on standard error and an exit code."""
    try:
        app(standalone_mode=True)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else CHECK_FAILED
    except (StackError, NothingFound, NoSuchLetter, SecretMissing) as error:
        return _fail(error, NOT_THERE)
    except EmbeddedError as error:
        return _fail(error, NO_ANSWER)
    except ReplayRefused as error:
        return _fail(error, USAGE)
    except (ProblemError, NotAsPlanned) as error:
        return _fail(error, CHECK_FAILED)
    except (httpx.TransportError, nats.errors.Error, OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
        return _fail(error, NO_ANSWER)
    except (EngineError, asyncpg.PostgresError) as error:
        return _fail(error, CHECK_FAILED)
    except KeyboardInterrupt:
        return 130
    return 0


def _fail(error: BaseException, code: int) -> int:
    text = str(error).strip() or type(error).__name__
    err.print(f"chaoyangli: {text}", markup=False)
    return code
