"""Alerts, dashboard and the page of figures, held beside what real services answer and what Prometheus says of them."""

import contextlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from cli.stack import Stack
from tests.support.ports import free_port
from tests.support.servers import temporary_directory
from tests.support.waiting import eventually_blocking

ROOT = Path(__file__).parents[2]
OPERATING = ROOT / "docs" / "operating"
ALERTS = OPERATING / "observability" / "alerts.yml"
RULES = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((OPERATING / "observability" / "dashboard.json").read_text(encoding="utf-8"))
SHOWN = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
WORDS = {"job", "service", "status", "reason", "task", "durable", "source", "age", "waits", "outcome", "reason_code"}
FUNCTIONS = {"sum", "max", "min", "by", "rate", "increase", "deriv", "changes", "time", "and", "or", "topk"}
PROMETHEUS_OWN = {"up"}

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="apt-get install prometheus")


def figures_in(expression: str) -> set[str]:
    """The names of figures in a PromQL expression."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\"[^\"]*\"", "", expression)
    return set(re.findall(r"[a-z][a-z0-9_]+", bare)) - WORDS - FUNCTIONS - PROMETHEUS_OWN


@pytest.fixture(scope="module")
def stack():
    with temporary_directory() as place:
        stack = Stack(place / "data", durable=False)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


@pytest.fixture(scope="module")
def answered(stack):
    """Service → the names of all figures at its /metrics."""

    def names(url):
        text = httpx.get(f"{url}/metrics", timeout=20).text
        types = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
        return {name for name, _ in types}

    return {service: names(url) for service, url in stack.urls.items()}


def test_every_figure_of_an_alert_and_of_the_dashboard_is_one_that_services_answer(stack, answered):
    def counted():
        return "notices_waiting" in httpx.get(f"{stack.urls['notify']}/metrics", timeout=20).text

    eventually_blocking(counted, 60, what="the look around")
    named = set().union(*(figures_in(rule["expr"]) for rule in RULES), *map(figures_in, SHOWN))
    assert len(named) > 15
    everywhere = set().union(*answered.values()) | {"notices_waiting", "orders_waiting_dispatch"}
    assert not named - everywhere


def test_the_page_of_figures_names_them_all_and_no_other(answered):
    page = (OPERATING / "metrics.md").read_text(encoding="utf-8")
    table = "\n".join(line.split(" | ")[0] for line in page.splitlines() if line.startswith("| `"))
    told = set(re.findall(r"`([a-z0-9_]+)`", table))
    ours = {
        name
        for names in answered.values()
        for name in names
        if not name.endswith("_created") and not name.startswith("faststream_")
    }
    assert told == ours | {"notices_waiting", "orders_waiting_dispatch"}


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    named = {rule["annotations"]["runbook"] for rule in RULES}
    there = {str(path.relative_to(ROOT)) for path in (OPERATING / "runbooks").glob("*.md")}
    assert named == there
    for path in there:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert all(f"\n## {part}\n" in text for part in ("Look", "Do", "It is over when")), path
        for link in re.findall(r"\]\(([^)#]+)", text):
            assert (ROOT / path).parent.joinpath(link).resolve().is_file(), (path, link)


@needs_promtool
def test_promtool_finds_the_rules_sound_and_each_fires_when_it_should(tmp_path):
    shutil.copy(ALERTS, tmp_path / "alerts.yml")
    shutil.copy(Path(__file__).with_name("alerts.test.yml"), tmp_path)
    for words in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="apt-get install prometheus")
def test_prometheus_itself_evaluates_every_alert_and_panel_on_real_services(stack, tmp_path):
    targets = [
        {"targets": [url.removeprefix("http://")], "labels": {"service": service}}
        for service, url in stack.urls.items()
    ]
    config = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "5s", "evaluation_interval": "2s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": "chaoyangli", "static_configs": targets}],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with running_prometheus(tmp_path, port):
        asked = f"http://127.0.0.1:{port}/api/v1"

        def query(expression):
            answer = httpx.get(f"{asked}/query", params={"query": expression}, timeout=20).json()
            assert answer["status"] == "success", answer
            return answer["data"]["result"]

        eventually_blocking(lambda: len(query('up{job="chaoyangli"} == 1')) == 4, 90, what="four services are scraped")
        for expression in (*SHOWN, *(rule["expr"] for rule in RULES)):
            query(expression)

        def judged():
            (group,) = httpx.get(f"{asked}/rules", timeout=20).json()["data"]["groups"]
            rules = group["rules"]
            errors = [rule for rule in rules if rule["health"] == "err"]
            if errors or not all(rule["health"] == "ok" for rule in rules):
                return errors
            # A community without a backup is told so, within minutes; rules may have been judged before a first scrape.
            waiting = {rule["name"] for rule in rules if rule["state"] != "inactive"}
            return rules if waiting >= {"BackupOld", "VerifyOld"} else None

        rules = eventually_blocking(judged, 60, what="every rule was evaluated")
        assert not [rule for rule in rules if rule["health"] == "err"], rules
        assert len(rules) == len(RULES)
        # Nothing is wrong with it by now.
        assert not [rule["name"] for rule in rules if rule["state"] == "firing"]
        assert query("nats_healthz")[0]["value"][1] == "1"


@contextlib.contextmanager
def running_prometheus(directory: Path, port: int):
    words = [
        "prometheus",
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually_blocking(lambda: _ready(port), 60, what="Prometheus answers")
        yield
    finally:
        process.kill()
        process.wait()


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/-/ready", timeout=20).status_code == 200
    except httpx.TransportError:
        return False
