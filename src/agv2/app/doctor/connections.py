"""Whether what the environment names can be reached: nothing else is tried, and nothing is changed there."""

import importlib.util
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import numpy as np

from agv2.app.doctor.finding import Finding, Status
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

if TYPE_CHECKING:
    from agv2.data.server_reach import Reach

__all__ = [
    "CONNECTION_LIMIT_S",
    "VENUE_LIMIT_S",
    "check_mlflow",
    "check_postgres",
    "check_redis",
    "check_telemetry",
    "check_venue",
]

CONNECTION_LIMIT_S = 10.0
"""Of one server: names are looked up within it, too."""
VENUE_LIMIT_S = 15.0
_PATIENCE_S = 3.0
_VENUE_PATIENCE_S = 12.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}


def check_postgres(environment: Environment) -> Finding:
    """Whether the database of `DATABASE_URL` answers."""
    from agv2.data.server_reach import postgres_reach

    return _server(postgres_reach(environment), "start the server, or correct user, password and database")


def check_redis(environment: Environment) -> Finding:
    """Whether the server of `REDIS_URL` answers."""
    from agv2.data.server_reach import redis_reach

    return _server(redis_reach(environment), "start the server, or correct password and port")


def check_mlflow(environment: Environment) -> Finding:
    """Whether what `MLFLOW_TRACKING_URI` names is there, and the package that would talk to it."""
    uri, key = environment.mlflow_tracking_uri, "MLFLOW_TRACKING_URI"
    if uri is None:
        return _absent(key)
    if importlib.util.find_spec("mlflow") is None:
        remedy = f"python bootstrap.py install --with mlflow, or unset {key}"
        return Finding(Status.FAILED, f"{key} is set, but mlflow is not installed", remedy)
    parts = _parts(uri)
    if parts is None:
        return Finding(Status.FAILED, f"{key} is no address", "write http://HOST:PORT or sqlite:///FILE")
    if parts.scheme.startswith("sqlite") or parts.scheme in ("", "file"):
        # Of `sqlite:///FILE` the path begins after the slash.
        path = Path(parts.path[1:] if parts.scheme.startswith("sqlite") else parts.path)
        if path.parent.is_dir():
            return Finding(Status.OK, f"{path}{'' if path.exists() else ' (not made yet)'}")
        return Finding(Status.FAILED, f"there is no folder {path.parent}", f"make it, or correct {key}")
    return _healthy(uri, parts) if parts.scheme in ("http", "https") else _listening(parts, key)


def check_telemetry(environment: Environment) -> Finding:
    """Whether a collector at `OTEL_EXPORTER_OTLP_ENDPOINT` takes traces: it is sent none."""
    uri, key = environment.otel_exporter_otlp_endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT"
    if uri is None:
        return _absent(key)
    parts = _parts(uri)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        return Finding(Status.FAILED, f"{key} is no address", "write http://HOST:4318")
    if importlib.util.find_spec("opentelemetry") is None:
        remedy = f"python bootstrap.py install --with otlp, or unset {key}"
        return Finding(Status.FAILED, f"{key} is set, but its exporter is not installed", remedy)
    return _takes_traces(uri, parts)


def check_venue(environment: Environment, clock: Clock, rng: np.random.Generator, most_skew_s: float) -> Finding:
    """Whether the login works, and this machine's clock agrees with the venue's.

    Args:
        environment: has the login.
        clock: this machine's.
        rng: spreads retries.
        most_skew_s: seconds that clocks may be apart before a trader halts.
    """
    from agv2.deploy.clock_watch import ClockReading
    from agv2.execution.venue_reach import VENUE_KEYS, venue_reach

    missing = [key for key in VENUE_KEYS if getattr(environment, key.lower()) is None]
    if len(missing) == len(VENUE_KEYS):
        return _absent(VENUE_KEYS[0])
    if missing:
        return Finding(Status.ABSENT, f"not tried without {', '.join(missing)}")
    found = venue_reach(environment, clock, rng, _VENUE_PATIENCE_S)
    if found.problem is not None:
        remedy = "check TL_ENVIRONMENT, TL_SERVER, TL_EMAIL and TL_PASSWORD by signing in at the broker's page"
        return Finding(Status.FAILED, found.problem, remedy)
    text = f"{found.address}, server {found.server}, account {found.acc_num}: signed in"
    if found.venue_ns is None:
        return Finding(Status.OK, text)
    skew_s = ClockReading(found.asked_ns, found.venue_ns, found.heard_ns).skew_s
    if abs(skew_s) <= most_skew_s:
        return Finding(Status.OK, f"{text}, clocks agree")
    side = "ahead of" if skew_s > 0.0 else "behind"
    detail = f"{text}, but this clock is {abs(skew_s):,.1f} s {side} the venue's, more than {most_skew_s:g} s"
    return Finding(Status.FAILED, detail, "let the system keep the clock (Linux: timedatectl set-ntp true)")


def _takes_traces(uri: str, parts: SplitResult) -> Finding:
    import httpx

    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
    remedy = "start the collector, name its port for HTTP (4318), or unset OTEL_EXPORTER_OTLP_ENDPOINT to work without"
    try:
        answer = httpx.post(
            f"{uri.rstrip('/')}/v1/traces",
            content=b"",  # an export of no spans
            headers={"Content-Type": "application/x-protobuf"},
            timeout=_PATIENCE_S,
            trust_env=parts.scheme == "https",
        )
    except httpx.HTTPError as error:  # its name only: the text may quote a header
        return Finding(Status.FAILED, f"{shown} does not answer ({type(error).__name__})", remedy)
    if answer.status_code == httpx.codes.OK:
        return Finding(Status.OK, f"{shown} takes traces")
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        detail = f"{shown} wants to know who asks ({answer.status_code}); OTEL_EXPORTER_OTLP_HEADERS is not tried here"
        return Finding(Status.WARNING, detail)
    return Finding(Status.FAILED, f"{shown} answers {answer.status_code} when sent no spans", remedy)


def _healthy(uri: str, parts: SplitResult) -> Finding:
    import httpx

    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    remedy = "start the server, correct MLFLOW_TRACKING_URI, or unset it to work without"
    try:
        # A proxy named by the environment must not stand between this process and one on the same network.
        answer = httpx.get(f"{uri.rstrip('/')}/health", timeout=_PATIENCE_S, trust_env=parts.scheme == "https")
    except httpx.HTTPError as error:  # its name only: the text may quote a header
        return Finding(Status.FAILED, f"{shown} does not answer ({type(error).__name__})", remedy)
    if answer.status_code == httpx.codes.OK:
        return Finding(Status.OK, f"{shown} is healthy")
    return Finding(Status.FAILED, f"{shown} answers {answer.status_code} when asked for its health", remedy)


def _absent(key: str) -> Finding:
    return Finding(Status.ABSENT, f"optional: {key} in the environment or .env")


def _server(reach: "Reach", remedy: str) -> Finding:
    if not reach.configured:
        return _absent(reach.key)
    if reach.problem is None:
        return Finding(Status.OK, f"{reach.address} answers")
    return Finding(Status.FAILED, reach.problem, f"{remedy} in {reach.key}; unset it to work without")


def _parts(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # read to be checked
    except ValueError:
        return None
    # A password with a slash or a hash in it ends the host early, and would be shown as a path.
    return None if "@" in parts.path + parts.query + parts.fragment else parts


def _listening(parts: SplitResult, key: str) -> Finding:
    port = parts.port or _PORTS.get(parts.scheme.partition("+")[0])
    if parts.hostname is None or port is None:
        return Finding(Status.WARNING, f"{key} names no host and port to try; not checked")
    shown = f"{parts.hostname}:{port}"
    try:
        socket.create_connection((parts.hostname, port), timeout=_PATIENCE_S).close()
    except OSError as error:
        detail = f"{shown} does not answer ({error.strerror or error})"
        return Finding(Status.FAILED, detail, f"start the server, correct {key}, or unset it to work without")
    return Finding(Status.OK, f"{shown} accepts connections")
