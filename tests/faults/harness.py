"""A whole stack with a few people in it, clients that remember every command, and what a test does to servers.

Every command has an idempotency key and a traceparent made from it, so each event can be told to whose command it
belongs. No answer means unknown: the command is sent again with the same key, until an answer comes or it is given up.
"""

import asyncio
import hashlib
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import psutil

from cli.client import Answer, Client, ProblemError
from cli.embedded import NatsServer, PostgresServer
from cli.place import SERVICES, Place, located
from cli.seed.community import Community, generate
from cli.seed.journal import Journal
from cli.seed.town import Town
from cli.stack import ServiceServer, Stack
from eventstore.clock import direct
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key

SHANGHAI = timezone(timedelta(hours=8))
FIRST_MORNING = datetime(2026, 11, 9, 9, 0, tzinfo=SHANGHAI)
CLOCK_SECONDS = 0.012
"""Services look at the clock's file every 5 ms."""
ANSWER_SECONDS = 3.0
"""So long a client waits for an answer before it takes it for lost."""
PATIENCE_SECONDS = 150.0
"""So long one command is sent again and again before it is given up as unknown."""
PAUSE_SECONDS = (0.05, 0.15)
"""Between two tries."""
VOLUNTEERS = 4


@dataclass
class Said:
    """One command: what was asked under its key, and what came of it as far as its sender knows."""

    service: str
    path: str
    key: str
    answered: Mapping[str, Any] | None = None
    refused: str | None = None
    tries: int = 0
    lost: int = 0
    """Tries that brought no answer."""

    @property
    def trace_id(self) -> str:
        """The trace that its events carry."""
        return trace_of(self.key)


def trace_of(key: str) -> str:
    """The trace id of a command's key."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


@dataclass
class History:
    """Everything that was said to the services, in the order begun."""

    said: list[Said] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    note: Callable[..., None] = lambda *_, **__: None
    """Hears of commands: `begun`, `info` (a try without an answer), `ok`, `fail` (refused), `unknown` (given up)."""
    _by_key: dict[str, Said] = field(default_factory=dict)

    def under(self, key: str, service: str, path: str) -> Said:
        """The command of this key, which may have been sent before."""
        if key not in self._by_key:
            self._by_key[key] = Said(service, path, key)
            self.said.append(self._by_key[key])
        return self._by_key[key]

    @property
    def unknown(self) -> int:
        """Commands that were given up without an answer."""
        return sum(one.answered is None and one.refused is None for one in self.said)

    @property
    def lost(self) -> int:
        """Tries that brought no answer."""
        return sum(one.lost for one in self.said)

    def counted(self) -> str:
        """In one line."""
        said, statuses = len(self.said), dict(self.statuses)
        return f"{said} commands, {self.lost} answers lost, {self.unknown} given up, statuses {statuses}"


class Speaker(Client):
    """A client of the services that notes what it says, and asks any replica of a service."""

    def __init__(self, scene: "Scene", patience_seconds: float = PATIENCE_SECONDS) -> None:
        key = load_issuer_key(scene.stack.secrets_dir / ISSUER_KEY)
        answer_seconds = ANSWER_SECONDS if patience_seconds else PATIENCE_SECONDS  # the first answer is waited for
        super().__init__(scene.stack.urls, key, timeout_seconds=answer_seconds)
        self._scene = scene
        self._patience_seconds = patience_seconds
        self.pause_seconds, self.pauses_most = PAUSE_SECONDS, 1  # it grows with the tries, up to so many times
        self._under_way: dict[str, Said] = {}

    async def command(self, service: str, path: str, *arguments: Any, **options: Any) -> Answer:
        """Send a command until it is answered or refused. Raises ProblemError for a refusal."""
        said = self._scene.history.under(options.pop("key", None) or str(uuid4()), service, path)
        self._under_way[said.key] = said
        if options.get("after") is None:
            options["after"] = {}
        note = partial(self._scene.history.note, key=said.key)
        note("begun", service=service, path=path)
        try:
            answer = await super().command(service, path, *arguments, key=said.key, **options)
        except ProblemError as problem:
            if problem.status < 500:
                said.refused = problem.reason_code
            note("fail" if said.refused else "unknown", status=problem.status, reason=problem.reason_code)
            raise
        except httpx.TransportError as error:
            note("unknown", error=type(error).__name__)
            raise
        said.answered = answer.body
        note("ok", positions=answer.positions, tries=said.tries)
        return answer

    async def health_of(self, url: str) -> dict[str, Any]:
        """What one process says of itself; nothing when it does not answer."""
        try:
            document: dict[str, Any] = (await self._http.get(f"{url}/readyz")).json()
        except httpx.TransportError as error:
            return {"status": "away", "error": repr(error)}
        return document

    async def _send(
        self, token: Callable[[], str], method: str, service: str, path: str, headers: dict[str, str], **arguments: Any
    ) -> Any:
        said = self._under_way.get(headers.get("Idempotency-Key", "")) or Said(service, path, "")
        if said.key:
            headers["traceparent"] = f"00-{said.trace_id}-{said.trace_id[:16]}-01"
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience_seconds
        while True:
            said.tries += 1
            url = f"{self._scene.url_of(service)}{path}"
            headers["Authorization"] = f"Bearer {token()}"
            response: httpx.Response | None = None
            try:
                response = await self._http.request(method, url, headers=headers, **arguments)
            except httpx.TransportError as error:
                said.lost += 1
                if said.key:
                    self._scene.history.note("info", key=said.key, error=type(error).__name__)
                if loop.time() > end:
                    raise
            if response is not None:
                self._scene.history.statuses[response.status_code] += 1
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or loop.time() > end:
                    break
            await asyncio.sleep(random.uniform(*self.pause_seconds) * min(said.tries, self.pauses_most))
        if response.is_error:
            document = response.json()
            raise ProblemError(response.status_code, document, f"{method} {service} {path}")
        return response


def few_people(residents: int = 2, volunteers: int = VOLUNTEERS) -> Community:
    """Some residents, some volunteers who can do everything asked for and are always free, and the staff."""
    small = generate("small")
    week = (1, 2, 3, 4, 5, 6, 7)
    skills = ("haircut", "mediation")
    helpers = [replace(one, weekdays=week, skills=skills, licences=(), insured=True) for one in small.helpers]
    return replace(
        small, residents=small.residents[:residents], helpers=tuple(helpers[:volunteers]), gifts=(), proxies=()
    )


@dataclass
class Scene:
    """One stack, who lives there, and what was said so far."""

    stack: Stack
    seed: int
    history: History = field(default_factory=History)
    day: int = 0
    """Days lived so far; each round of the load takes one."""
    heads: dict[str, set[str]] = field(default_factory=dict)
    """Every signed head that was seen outside."""
    replicas: dict[str, list[ServiceServer]] = field(default_factory=dict)
    """Further processes of a service."""
    hidden: set[str] = field(default_factory=set)
    """Base URLs that nobody asks at the moment."""
    ways: dict[str, str] = field(default_factory=dict)
    """Service → the base URL that its commands are sent to, instead of a process's own."""
    community: Community = field(default_factory=few_people)
    now: datetime = FIRST_MORNING
    """Business time."""
    proven: bool = True
    """Whether everything held when it was looked at last, and nothing was done since."""

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.town_ids: dict[str, Any] = {}
        self.journal = Journal(self.stack.data / "people", {})

    def throw(self, seed: int) -> None:
        """Begin with other dice."""
        self.seed, self.dice = seed, random.Random(seed)

    # speaking

    def speaker(self, patience_seconds: float = PATIENCE_SECONDS) -> Speaker:
        """A client in this event loop, for `async with`; without patience it takes the first answer, whatever it is."""
        return Speaker(self, patience_seconds)

    def town(self, client: Client) -> Town:
        """The people, speaking through this client."""
        return Town(client, self.community, self.journal, FIRST_MORNING, ids=self.town_ids)

    def url_of(self, service: str) -> str:
        """Where to ask next: any replica."""
        if service in self.ways:
            return self.ways[service]
        servers = [self.stack.services[service], *self.replicas.get(service, ())]
        urls = [server.url for server in servers if server.url not in self.hidden]
        return str(self.dice.choice(urls))

    async def settle(self) -> None:
        """Everybody registers, through the services' own commands."""
        async with self.speaker() as client:
            town = self.town(client)
            await town.load()
            # Somebody is told on a channel outside the database.
            resident = town.resident(self.community.residents[0])
            body = {"ref": str(resident.person_id), "channel": "console"}
            await client.command("notify", "/v1/contacts", body, actor=resident, method="PUT")

    # time

    async def let_be(self, moment: datetime) -> None:
        """Let business time stand at a moment, in all processes."""
        self.now = moment
        direct(self.stack.clock_file, moment, 0)
        await asyncio.sleep(CLOCK_SECONDS)

    @property
    def morning_after(self) -> datetime:
        """Noon of the day after the last one lived: nothing has been arranged for then."""
        return FIRST_MORNING + timedelta(days=self.day + 1, hours=3)

    # servers

    @property
    def place(self) -> Place:
        """Where everything is, for the commands of the auditor."""
        with located(self.stack.data, running=True) as place:
            return place

    @property
    def postgres(self) -> PostgresServer:
        return self.stack.servers.postgres

    @property
    def nats(self) -> NatsServer:
        return self.stack.servers.nats

    def processes(self) -> list[ServiceServer]:
        """All processes of all services."""
        return [*self.stack.services.values(), *(one for many in self.replicas.values() for one in many)]

    def log_files(self) -> list[Path]:
        """What services wrote on their standard output."""
        return sorted({server.log_file for server in self.processes()})

    def shown(self) -> Counter[str]:
        """Notification ids that stood on the console, and how often."""
        lines = [
            line
            for file in (self.stack.data / "logs").glob("notify*.log")
            for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
            if '"services.notify.console"' in line
        ]
        return Counter(json.loads(line)["notification_id"] for line in lines)

    async def sizes(self) -> dict[str, int]:
        """How many events each log has."""
        found = {}
        for service in SERVICES:
            connection = await self.place.connect(service)
            try:
                found[service] = await connection.fetchval(f"SELECT size FROM {service}.head")
            finally:
                await connection.close()
        return found

    async def duplicates(self) -> dict[str, int]:
        """How many events each service has been given that it had heard before."""
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
            return {
                service: sum(
                    int(float(line.rsplit(" ", 1)[1]))
                    for line in (await client.get(f"{server.url}/metrics")).text.splitlines()
                    if line.startswith("inbox_duplicates_total")
                )
                for service, server in self.stack.services.items()
            }

    async def superuser(self) -> asyncpg.Connection:
        """A connection with all rights: what an intruder on the machine has."""
        return await asyncpg.connect(self.postgres.dsn("chaoyangli"))

    def keep_heads(self) -> None:
        """Look at the signed heads, as somebody outside does, and remember them."""
        for service in SERVICES:
            try:
                text = (self.stack.data / "state" / service / "head").read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            self.heads.setdefault(service, set()).add(text)

    def add_replica(self, service: str) -> ServiceServer:
        """Another process of a service, on the same state directory; not started so far."""
        number = 2 + len(self.replicas.get(service, ()))
        directory = self.stack.data / "logs" / f"{service}-{number}"
        server = ServiceServer(service, directory, self.stack.environment())
        self.replicas.setdefault(service, []).append(server)
        return server

    def drop_replicas(self) -> None:
        """Stop all further processes."""
        for server in (one for many in self.replicas.values() for one in many):
            server.stop()
        self.replicas.clear()
        self.hidden.clear()


def start_all(servers: Sequence[ServiceServer]) -> None:
    """Start several processes at once and wait until they accept commands."""
    with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
        list(pool.map(lambda server: server.start(90), servers))


def with_children(pid: int) -> list[psutil.Process]:
    """A process and all its children: PostgreSQL is many."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def stop_whole(pid: int) -> list[psutil.Process]:
    """SIGSTOP a process and its children; whom to wake again."""
    stopped = []
    for process in with_children(pid):
        try:
            process.suspend()
        except psutil.NoSuchProcess:
            continue
        stopped.append(process)
    return stopped


def wake(processes: Sequence[psutil.Process]) -> None:
    """SIGCONT."""
    for process in processes:
        try:
            process.resume()
        except psutil.NoSuchProcess:
            continue


def copy_store(nats: NatsServer, to: Path) -> None:
    """Kill NATS, copy its store, start it again."""
    nats.kill()
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(nats.directory, to)
    nats.start()


def put_back(nats: NatsServer, copy: Path | None) -> None:
    """Kill NATS and start it on an older copy of its store, or on none: what it took since is forgotten."""
    nats.kill()
    # The directory itself stays: it may be a disk of its own.
    for child in nats.directory.iterdir():
        shutil.rmtree(child) if child.is_dir() else child.unlink()
    if copy is not None:
        shutil.copytree(copy, nats.directory, dirs_exist_ok=True)
    nats.start()
