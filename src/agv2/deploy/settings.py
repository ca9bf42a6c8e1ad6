"""How the decision service runs: the model of `config/deploy.yaml`."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from agv2.core.errors import ConfigError
from agv2.deploy.alerts.config import AlertsConfig
from agv2.deploy.loopback import is_loopback
from agv2.utils.config import Config

__all__ = ["DeploySettings", "Runtime"]

Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class Runtime(StrEnum):
    """Who evaluates the networks."""

    ONNX = "onnx"
    """ONNX Runtime, one thread, no torch in the process."""
    PT2 = "pt2"
    """The canonical exported program, by torch."""
    TORCHSCRIPT = "torchscript"


class _Approval(Config):
    required: bool
    timeout_s: Seconds


class _Attribution(Config):
    enabled: bool
    queue: Annotated[int, Field(ge=1, le=100_000)]


class DeploySettings(Config):
    """Settings of the service; the reason for each stands beside it in `config/deploy.yaml`."""

    host: Annotated[str, Field(min_length=1)]
    port: Annotated[int, Field(ge=0, le=65_535)]
    """0: any free one, which is said at the start."""
    tls_certificate: str
    tls_key: str
    allowed_hosts: tuple[str, ...]
    clock_address: Annotated[str, Field(pattern=r"^(https?://[^\s?#@]+)?$")]
    """Of whom to ask for the time; empty: nobody."""
    runtime: Runtime
    max_body_mb: Annotated[float, Field(gt=0.0, le=64.0)]
    max_requests: Annotated[int, Field(ge=2, le=10_000)]
    shutdown_s: Seconds
    auth_failures: Annotated[int, Field(ge=1, le=1_000)]
    auth_window_s: Seconds
    lease_s: Annotated[float, Field(ge=1.0, le=600.0)]
    decisions_kept: Annotated[int, Field(ge=1, le=100_000)]
    approval: _Approval
    attribution: _Attribution
    alerts: AlertsConfig

    @field_validator("clock_address")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError("write an https:// address: over plain http, anybody on the way could tell another time")
        return value

    @model_validator(mode="after")
    def _both_or_neither(self) -> "DeploySettings":
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key: set both or neither")
        return self

    @property
    def has_tls(self) -> bool:
        """Whether callers are spoken to over https."""
        return bool(self.tls_certificate)

    @property
    def is_loopback(self) -> bool:
        """Whether only programs of this machine can call."""
        return is_loopback(self.host)

    def require_safe_address(self, *, insecure: bool) -> None:
        """Refuse to hand tokens to whoever listens on the way.

        Args:
            insecure: the person who starts it said that something else protects the way.

        Raises:
            ConfigError: another address than loopback, without TLS.
        """
        if not (self.is_loopback or self.has_tls or insecure):
            raise ConfigError(
                f"deploy.host = {self.host}: beyond this machine, tokens would cross the network in the clear; set "
                "deploy.tls_certificate and deploy.tls_key, or say --insecure where a proxy or tunnel protects the way"
            )
