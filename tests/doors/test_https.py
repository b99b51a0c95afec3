"""The proxy's file, in a real Caddy before the four real services: what is served by https, and what is not served."""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.doors.doors import NAMES, Doors
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE_SECONDS, eventually_blocking

pytestmark = pytest.mark.journey

CADDYFILE = Path(__file__).resolve().parents[2] / "docs" / "operating" / "Caddyfile"
DOMAIN = "chaoyangli.localhost"
INSIDE = {"/metrics", "/livez", "/readyz"}
YEAR_SECONDS = 31_536_000


@dataclass
class Proxy:
    """Caddy, and a client who trusts its authority."""

    port: int
    http_port: int
    root: Path

    def client(self, host: str) -> httpx.Client:
        """Of one name: who asks for it, and whose certificate is looked at."""
        trusted = ssl.create_default_context(cafile=str(self.root))
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}", verify=trusted, headers={"Host": host}, timeout=PATIENCE_SECONDS
        )

    def ask(self, host: str, method: str, path: str, **more: Any) -> httpx.Response:
        with self.client(host) as client:
            return client.request(method, path, extensions={"sni_hostname": host}, **more)

    def answers(self) -> bool:
        try:
            return self.ask(f"ledger.{DOMAIN}", "GET", "/openapi.json").status_code == 200
        except (httpx.TransportError, OSError):
            return False


@pytest.fixture(scope="module")
def proxy(doors: Doors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    if (program := shutil.which("caddy")) is None:
        pytest.skip("there is no program `caddy`")
    home = tmp_path_factory.mktemp("caddy")
    made = Proxy(free_port(), free_port(), home / "caddy/pki/authorities/local/root.crt")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "CHAOYANGLI_DOMAIN": DOMAIN,
        "TLS_CERTIFICATES": "local_certs",
        "TLS_HTTP_LISTEN": str(made.http_port),
        "TLS_HTTPS_LISTEN": str(made.port),
        "TLS_HEALTH_LISTEN": str(free_port()),
        **{f"UPSTREAM_{name.upper()}": doors.urls[name].removeprefix("http://") for name in NAMES},
    }
    words = [program, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    with (home / "log").open("wb") as log, subprocess.Popen(words, env=environment, stderr=log, stdout=log) as process:
        try:
            eventually_blocking(made.answers, every=0.1, what="Caddy before the ledger")
            yield made
        finally:
            process.terminate()
            process.wait(10)


def _paths(doors: Doors, service: str) -> Iterator[str]:
    """All that is served; what takes no GET answers so itself, which a refusal of the proxy's would not look like."""
    for template in doors.openapi(service)["paths"]:
        yield re.sub(r"\{[^}]+\}", "1", template)


@pytest.mark.parametrize("service", NAMES)
def test_every_route_for_people_outside_is_served_by_https_and_no_other(doors, proxy, service):
    host, seen = f"{service}.{DOMAIN}", set()
    with proxy.client(host) as client:
        for path in _paths(doors, service):
            direct = doors.ask(service, "GET", path)
            through = client.get(path, extensions={"sni_hostname": host})
            seen.add(path)
            assert through.headers["strict-transport-security"] == f"max-age={YEAR_SECONDS}", path
            assert not {"server", "alt-svc"} & set(through.headers), path
            if path in INSIDE:
                assert (direct.status_code, through.status_code, through.content) == (200, 404, b""), path
            else:
                assert through.status_code == direct.status_code, path
                assert through.headers.get("content-type") == direct.headers.get("content-type"), path
    assert seen > INSIDE
    assert proxy.ask(host, "GET", "/openapi.json").json()["paths"].keys() == doors.openapi(service)["paths"].keys()


@pytest.mark.parametrize(
    "path", ["/metrics", "/METRICS", "//metrics", "/v1/../metrics", "/v1/%2e%2e/metrics", "/metrics/", "/%6detrics"]
)
def test_no_way_of_writing_an_address_leads_to_the_figures(doors, proxy, path):
    """Sent as it stands: a client would put it straight first."""
    assert b"commands_total" in doors.ask("ledger", "GET", "/metrics").content, "there are figures"
    host = f"ledger.{DOMAIN}"
    trusted = ssl.create_default_context(cafile=str(proxy.root))
    connection = http.client.HTTPSConnection("127.0.0.1", proxy.port, timeout=PATIENCE_SECONDS, context=trusted)
    plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE_SECONDS)
    connection.sock = trusted.wrap_socket(plain, server_hostname=host)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 404
    assert b"commands_total" not in answer.read()
    connection.close()


def test_who_asks_by_http_is_sent_to_https_and_the_bare_name_leads_to_the_open_books(proxy):
    for host in (DOMAIN, f"orders.{DOMAIN}"):
        answer = httpx.get(
            f"http://127.0.0.1:{proxy.http_port}/v1/orders", headers={"Host": host}, timeout=PATIENCE_SECONDS
        )
        assert (answer.status_code, answer.headers["location"]) == (308, f"https://{host}/v1/orders")
    answer = proxy.ask(DOMAIN, "GET", "/")
    assert (answer.status_code, answer.headers["location"]) == (302, f"https://ledger.{DOMAIN}/fund/")
    assert proxy.ask(DOMAIN, "GET", "/v1/orders").status_code == 404
    assert "基金" in proxy.ask(f"ledger.{DOMAIN}", "GET", "/fund/").text
