"""One service process, from its settings to a graceful stop: `python -m services.orders` calls `run(definition)`.

HTTP answers from the first moment (/livez, and a /readyz of 503), then opens the log and serves. NATS is connected in
the background and may be away for as long as it likes. What only one replica should do runs under that role's lock.
"""

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import structlog
import uvicorn
import uvloop
from pydantic import ValidationError

from eventstore.aggregate import Aggregate
from eventstore.checkpoint import HeadUnreadable, KeyFileError
from eventstore.clock import ClockUnreadable, open_clock
from eventstore.errors import LogUnavailable, ReadModelMismatch, Tampered
from eventstore.executor import Executor
from eventstore.log import Log
from eventstore.losses import losses
from eventstore.origins import OriginUnreadable
from eventstore.tasks import end
from eventstore.tracing import OFF, Tracing
from eventstore.vault import ErasureList, Vault
from servicekit import adoption, app, logs
from servicekit.behind import check_stream
from servicekit.definition import Background, Runtime, ServiceDefinition
from servicekit.door import Door
from servicekit.feed_tail import Tail
from servicekit.heartbeat import beat
from servicekit.metrics import Metrics
from servicekit.publishing import read_witnesses
from servicekit.roles import start_roles
from servicekit.secrets import SecretMissing
from servicekit.settings import ServiceSettings
from servicekit.signing import check_last_head, make_signer
from servicekit.status import Status
from servicekit.subscribers import Registry
from servicekit.supervisor import Supervisor
from servicekit.tokens import Verifier

__all__ = ["Background", "CannotStart", "Runtime", "ServiceDefinition", "ServiceProcess", "open_runtime", "run"]

OPEN_AGAIN_SECONDS = 1.0
DRAIN_SECONDS = 4
"""How long requests that have begun may take once the process was told to stop."""
TASKS_STOP_SECONDS = 3.0
CLOSE_SECONDS = 2.0
TRACES_CLOSE_SECONDS = 1.0

_log = structlog.get_logger("servicekit.process")


class CannotStart(Exception):
    """The process cannot run with what it was given; the message says what to change."""


class ServiceProcess:
    """Runs one service. `settings` come from the environment unless they are given."""

    def __init__(self, definition: ServiceDefinition, settings: ServiceSettings | None = None) -> None:
        self._definition = definition
        self._given = settings
        self.status = Status()
        self.metrics = Metrics(definition.name)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. Exits with 1 and one sentence when the process cannot start."""
        try:
            settings = self._settings()
            logs.configure(settings.service, settings.log_level)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._until_signalled(settings))
        except CannotStart as error:
            sys.exit(f"{self._definition.name}: {error}")

    async def _until_signalled(self, settings: ServiceSettings) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.serve(stop, settings)

    async def serve(self, stop: asyncio.Event, settings: ServiceSettings | None = None) -> None:
        """Serve until `stop` is set, then end in order within ten seconds.

        Raises CannotStart, also when the process must not go on.
        """
        settings = settings or self._settings()
        if settings.service != self._definition.name:
            raise CannotStart(f"CHAOYANGLI_SERVICE is {settings.service!r}, this program is {self._definition.name!r}")
        door = Door(self.status)
        async with _beating(settings), _listening(door, settings) as server, contextlib.AsyncExitStack() as stack:
            tracing = _tracing(settings, self.metrics, stack)
            runtime = await self._opened(stop, settings, tracing)
            if runtime is None:
                return
            stack.push_async_callback(_close, runtime.log)
            supervisor = Supervisor(self.status, self.metrics)
            stack.push_async_callback(supervisor.stop, TASKS_STOP_SECONDS)
            start_roles(self._definition, runtime, supervisor)
            door.open(app.build(self._definition, runtime))
            _log.info("serving", port=settings.port)
            await _either(stop, self.status.ending)
            _log.info("stopping")
            runtime.tail.close()  # a feed never ends by itself
            # First the requests that have begun, which need the log; then the tasks, then the log.
            await server.drain()
        if self.status.ending.is_set():
            # Started again, it finds what is the matter before it takes a command.
            raise CannotStart("; ".join(self.status.not_ready.values()))

    async def _opened(self, stop: asyncio.Event, settings: ServiceSettings, tracing: Tracing) -> Runtime | None:
        """Open the log, again and again while that may still succeed; None when told to stop before."""
        while not stop.is_set():
            self.status.not_ready.clear()
            try:
                return await self._opened_once(settings, tracing)
            except (LogUnavailable, OSError) as error:
                self.status.refuse_commands("log", f"cannot be opened ({type(error).__name__})")
                _log.warning("log cannot be opened", exc_info=error)
            except ReadModelMismatch as error:
                self.status.refuse_commands("read_models", str(error))
                _log.error("read models must be replayed", exc_info=error)
            except (Tampered, HeadUnreadable, OriginUnreadable) as error:
                self.status.refuse_commands("head", str(error))
                _log.critical("log does not agree with its last signed head, or with its stream", exc_info=error)
            except (SecretMissing, KeyFileError, ClockUnreadable, ValueError) as error:
                raise CannotStart(str(error)) from error
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), OPEN_AGAIN_SECONDS)
        return None

    async def _opened_once(self, settings: ServiceSettings, tracing: Tracing) -> Runtime:
        """Open the log and put the policy file's figures in force, by an event where they are new."""
        runtime = await open_runtime(self._definition, settings, self.status, self.metrics, tracing)
        try:
            await check_stream(settings, runtime.log)
            if self._definition.policy is not None:
                await adoption.adopt(self._definition.policy, runtime)
        except BaseException:
            await _close(runtime.log)
            raise
        return runtime

    def _settings(self) -> ServiceSettings:
        try:
            return self._given or ServiceSettings(service=self._definition.name)
        except ValidationError as error:
            wrong = "; ".join(f"CHAOYANGLI_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
            raise CannotStart(wrong) from None


async def open_runtime(
    definition: ServiceDefinition,
    settings: ServiceSettings,
    status: Status,
    metrics: Metrics,
    tracing: Tracing = OFF,
) -> Runtime:
    """Open the log, check it against its last signed head, apply the list of erasures, and put the parts together.

    Raises LogUnavailable, ReadModelMismatch, Tampered, HeadUnreadable, SecretMissing, KeyFileError, ClockUnreadable,
    PolicyInvalid.
    """
    try:
        verifier = Verifier(settings.issuer_jwks)
    except (OSError, ValueError, KeyError) as error:
        raise SecretMissing(f"{settings.issuer_jwks}: no key set ({type(error).__name__}); `init` makes it") from None
    if definition.policy is not None:
        definition.policy.load()
    clock = open_clock(settings.clock_file)
    signer = make_signer(settings)
    witnesses = read_witnesses(settings.witnesses)
    log = await Log.open(settings.log_config(), definition.read_models, tracing=tracing)
    try:
        await check_last_head(signer, log)
        vault = Vault(log.pool, settings.service, settings.kek, definition.locked_purposes)
        await ErasureList(settings.erasures_path).apply(vault)
        accepted = await losses(log.pool, settings.community, settings.service)
    except BaseException:
        await log.close()
        raise
    return Runtime(
        settings=settings,
        log=log,
        executor=Executor(log, _aggregates(definition), definition.constraints),
        vault=vault,
        clock=clock,
        access=definition.access,
        verifier=verifier,
        signer=signer,
        witnesses=witnesses,
        metrics=metrics,
        status=status,
        tail=Tail(log, signer, Registry(settings.subscribers), status, metrics),
        hears=definition.sources,
        losses=accepted,
    )


def _aggregates(definition: ServiceDefinition) -> list[Aggregate[Any, Any, Any]]:
    policy = [adoption.aggregate(definition.policy)] if definition.policy is not None else []
    return [*definition.aggregates, *policy]


def _tracing(settings: ServiceSettings, metrics: Metrics, stack: contextlib.AsyncExitStack) -> Tracing:
    """Whoever keeps spans until the stack ends; nobody, and nothing imported for it, where no collector is named."""
    if settings.otlp_endpoint is None:
        return OFF
    from servicekit.otlp import OtlpTracing

    tracing = OtlpTracing(settings, metrics)
    stack.push_async_callback(tracing.close, TRACES_CLOSE_SECONDS)
    return tracing


async def _close(log: Log) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await log.close()
    except TimeoutError:
        _log.error("log did not close in time")


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the process decides when and in which order things end."""

    serving: asyncio.Task[None]

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def drain(self) -> None:
        """Take no more requests, and return when those that have begun were answered, or their time is up."""
        self.should_exit = True
        await asyncio.wait([self.serving], timeout=DRAIN_SECONDS + 1)


async def _either(*events: asyncio.Event) -> None:
    """Return once one of them is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(waits)


@contextlib.asynccontextmanager
async def _beating(settings: ServiceSettings) -> AsyncIterator[None]:
    """Keep the heartbeat to the end of the block, where somebody looks for one."""
    if settings.heartbeat_file is None:
        yield
        return
    beating = asyncio.create_task(beat(settings.heartbeat_file), name="heartbeat")
    try:
        yield
    finally:
        await end([beating])


@contextlib.asynccontextmanager
async def _listening(door: Door, settings: ServiceSettings) -> AsyncIterator[_Server]:
    """Listen from here to the end of the block at the latest."""
    listener = listening(settings.http_host, settings.port)
    config = uvicorn.Config(
        door,
        http="httptools",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        timeout_keep_alive=30,
    )
    server = _Server(config)
    server.serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        yield server
    finally:
        await server.drain()
        listener.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises CannotStart."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048)
        # asyncio does this only for sockets that it made itself. Without it the second write of an answer waits for the
        # client to acknowledge the first: 40 ms for every request but the first of a connection. Accepted sockets
        # inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise CannotStart(f"cannot listen on {host}:{port}: {error.strerror}; choose CHAOYANGLI_HTTP_PORT") from error


def run(definition: ServiceDefinition) -> None:
    """What a service's `__main__.py` calls."""
    ServiceProcess(definition).run()
