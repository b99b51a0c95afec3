"""Traces of a deployment, at a collector outside it: docs/operating/tracing.md."""

from urllib.parse import urlsplit

import pytest

from tests.containers.engine import SERVICES
from tests.containers.outsiders import Crossing
from tests.support.otlp import Seen, collector
from tests.support.waiting import eventually_blocking

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]

ENDPOINT = "CHAOYANGLI_OTLP_ENDPOINT"
PLACED, HEARD = "POST /v1/orders", "process orders.OrderPlaced"


@pytest.fixture
def traced(lived):
    """What arrives while the deployment is told of a collector; afterwards it is told of none, as before."""
    deployment = lived.deployment
    with collector() as found:
        place = urlsplit(found.url)
        # The collector is on this machine, where containers reach nothing but what listens at their gateway.
        crossing = Crossing(deployment.gateway, lambda: (str(place.hostname), int(place.port or 0)))
        deployment.environment[ENDPOINT] = crossing.address
        try:
            deployment.up()
            lived.at_rest()
            yield found
        finally:
            del deployment.environment[ENDPOINT]
            deployment.up()
            crossing.close()


def test_an_order_placed_in_containers_is_one_trace_of_all_four_services(lived, traced):
    lived.orders()

    def whole() -> list[Seen] | None:
        requests = [span for span in traced.spans if span.name == PLACED]
        spans = traced.of_trace(requests[0].trace_id) if requests else []
        return spans if {span.service for span in spans} == set(SERVICES) else None

    spans = eventually_blocking(whole, 60, every=0.5, what="spans of one order from every service")
    assert spans is not None
    (request,) = [span for span in spans if not span.parent]
    assert (request.name, request.kind, request.service) == (PLACED, "server", "orders")
    (append,) = [span for span in spans if span.parent == request.span_id]
    assert (append.name, append.service) == ("append", "orders")
    below = {(span.service, span.kind) for span in spans if span.parent == append.span_id and span.name == HEARD}
    assert below == {(service, "consumer") for service in SERVICES if service != "orders"}
