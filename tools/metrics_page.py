"""Write docs/metrics.md from what the service measures.

Usage: python -m tools.metrics_page [--check]
"""

import sys

from agv2.deploy.metrics import ServiceMetrics
from tools.generated_page import keep_page

__all__ = ["main", "metrics_page"]

_TOP = """\
# Metrics

What `GET /metrics` of the [decision service](service.md) answers, in Prometheus' text form, to a viewer's token.
Written by `python -m tools.metrics_page` from `deploy/metrics.py`. A test holds the two together, and every name and
label in [`ops/prometheus`](../ops/prometheus) and [`ops/grafana`](../ops/grafana) with them.

| name | kind | labels | |
|---|---|---|---|
"""
_END = """
A histogram is asked for as `_bucket` (with the label `le`), `_sum` and `_count`. A series with labels is there from the
first time that it was counted, but for `agv2_auth_failures_total`, `agv2_approvals_total`, `agv2_guard_tripped` and
`agv2_alerts_total`, which like those without labels are there from the start, or from when the model is loaded.
Prometheus' client adds `_created` series, which nothing here uses. Labels never hold what a caller wrote: an unknown
path is `unmatched`, an unknown method `other`.

`agv2_ready`, `agv2_lease_held`, `agv2_kill_switch` and `agv2_state_readable` are read anew at each scrape, so that a
switch thrown by another process shows; while the state cannot be read, `agv2_kill_switch` is what it last was.
`agv2_guard_tripped` is of the service's own guards; those of a trader write to its journal ([guards](guards.md)).

What is worth waking somebody for is in [`ops/prometheus/alerts.yaml`](../ops/prometheus/alerts.yaml), what to do then
in [operations](operations.md).
"""


def metrics_page() -> str:
    """The page's text."""
    rows = [
        f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels) or '–'} | {meaning} |\n"
        for name, kind, labels, meaning in ServiceMetrics().notes
    ]
    return _TOP + "".join(rows) + _END


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` only say whether it is up to date."""
    return keep_page("metrics.md", metrics_page(), "tools.metrics_page", arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
