"""The decision service as a process: its address, its log, its end."""

import contextlib
import logging
import re
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog
import uvicorn

from agv2.app.traces import Traces
from agv2.core.errors import BundleError, ConfigError
from agv2.deploy.account_switch import AccountSwitch
from agv2.deploy.console.shell import mount_console
from agv2.deploy.server import create_app
from agv2.deploy.service import DecisionService
from agv2.deploy.service_parts import ServiceParts
from agv2.deploy.settings import DeploySettings
from agv2.deploy.state_opening import open_state_store
from agv2.deploy.tokens import TokenStore
from agv2.utils.clock import SystemClock
from agv2.utils.config import Override, load_config
from agv2.utils.environment import Environment, load_environment
from agv2.utils.logging_config import configure_logging, hide_secrets

if TYPE_CHECKING:
    from agv2.deploy.decision_engine import DecisionEngine
    from agv2.deploy.service_parts import OtherSwitch
    from agv2.deploy.watcher import Watcher

__all__ = ["ServeRequest", "audit_path", "serve", "token_store"]

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_log = structlog.get_logger("agv2.service")


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """What `agv2 serve` was asked."""

    bundle: Path
    account: str
    symbols: tuple[str, ...]
    config_dir: Path | None
    overrides: tuple[Override, ...]
    insecure: bool
    json_log: bool


def token_store(environment: Environment) -> TokenStore:
    """The tokens of this installation."""
    return TokenStore(environment.home / "deploy" / "tokens.json", SystemClock())


def audit_path(environment: Environment, account: str) -> Path:
    """File of an account's audit log.

    Raises:
        ConfigError: `account` can name none.
    """
    if not _ACCOUNT.fullmatch(account):
        raise ConfigError(
            f"--account {account}: letters, digits, `.`, `_` and `-`, at most 64, a letter or digit first"
        )
    return environment.home / "audit" / f"{account}.jsonl"


def serve(request: ServeRequest) -> None:
    """Serve until told to stop.

    Raises:
        AGV2Error: it cannot start, or lost what it needs before it was ready.
    """
    settings = load_config(DeploySettings, "deploy", request.config_dir, request.overrides)
    settings.require_safe_address(insecure=request.insecure)
    environment = load_environment()
    audit = audit_path(environment, request.account)
    if not (request.bundle / "manifest.json").is_file():
        raise BundleError(f"--bundle {request.bundle}: there is no bundle here; `agv2 run` leaves one in RUN/bundle")
    for path in filter(None, (settings.tls_certificate, settings.tls_key)):
        if not Path(path).is_file():
            raise ConfigError(f"deploy.tls_certificate, deploy.tls_key: there is no file {path}")
    tokens = token_store(environment)
    if not any(token.is_valid(SystemClock().now_ns()) for token in tokens.tokens()):
        raise ConfigError("nobody could ask: make a token first, `agv2 token new --role operator`")
    configure_logging(json=request.json_log)
    _carry_over("uvicorn.error")
    with _listening(settings) as listener:
        _serve(request, settings, environment, tokens, audit, listener)


def _serve(
    request: ServeRequest,
    settings: DeploySettings,
    environment: Environment,
    tokens: TokenStore,
    audit: Path,
    listener: socket.socket,
) -> None:
    clock = SystemClock()
    failures: list[Exception] = []

    traces = Traces(environment, "agv2-service", account=request.account)

    def load() -> "DecisionEngine":
        from agv2.deploy.decision_engine import load_engine

        traces.begin()  # here, since `/health` must not wait for what it loads
        return load_engine(request.bundle, request.symbols, settings.runtime, request.config_dir, request.overrides)

    def watch(service: DecisionService, engine: "DecisionEngine") -> "Watcher":
        from agv2.app.service_watching import open_watch

        return open_watch(service, engine, environment, request.config_dir, request.overrides)

    def switches() -> "Sequence[OtherSwitch]":
        from agv2.app.trading.places import kill_switches

        return kill_switches(environment, clock)

    def failed(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    parts = ServiceParts(
        account=request.account,
        audit=audit,
        open_state=lambda: open_state_store(environment, clock, AccountSwitch.after_loss(clock)),
        load_engine=load,
        other_switches=switches,
        open_watch=watch,
    )
    service = DecisionService(parts, settings, clock, failed)
    app = create_app(service, tokens, [mount_console])
    server = _Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(settings.shutdown_s + 0.5),
            ssl_certfile=settings.tls_certificate or None,
            ssl_keyfile=settings.tls_key or None,
        ),
        app.state.streams.end,
    )
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings.has_tls else "http"
    shown = f"[{host}]" if ":" in host else host
    _log.info("listening", address=f"{scheme}://{shown}:{port}", account=request.account)
    try:
        server.run(sockets=[listener])
    finally:
        traces.end()
    if failures:
        raise failures[0]
    _log.info("stopped")


class _Server(uvicorn.Server):
    """Ends by itself after a signal, with exit code 0, instead of raising the signal once more.

    Args:
        config: of uvicorn.
        end_streams: ends what would otherwise go on for ever, and be waited for.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and finish what was begun."""
        self._end_streams()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self._told) for each in handled}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _told(self, number: int, frame: FrameType | None) -> None:
        _log.info("stopping", signal=signal.Signals(number).name)
        self.handle_exit(number, frame)


@contextlib.contextmanager
def _listening(settings: DeploySettings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {settings.host} port {settings.port} ({error.strerror or error}); "
            "set deploy.port to another, 0 for any that is free"
        ) from error
    # asyncio sets this only on sockets that name their protocol, which those of `create_server` do not; without it the
    # second part of an answer waits for the caller's delayed acknowledgement of the first, some forty milliseconds.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # whoever is accepted inherits it
    with listener:
        yield listener


class _Carrier(logging.Handler):
    """Lines of another library's log, in ours."""

    def emit(self, record: logging.LogRecord) -> None:
        text = hide_secrets(record.getMessage())
        method = "error" if record.levelno >= logging.ERROR else "info"
        if record.levelno < logging.WARNING:
            return  # its greetings say what ours say
        more = {"exc_info": record.exc_info} if record.exc_info else {}
        getattr(_log, method)(text, source=record.name, **more)


def _carry_over(name: str) -> None:
    logger = logging.getLogger(name)
    logger.handlers, logger.propagate = [_Carrier()], False
