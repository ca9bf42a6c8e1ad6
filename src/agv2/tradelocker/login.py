"""Who signs in where: the login that all accounts, tokens and limits belong to."""

from dataclasses import dataclass

from pydantic import SecretStr

from agv2.core.errors import ConfigError
from agv2.tradelocker.tokens import HEADER_SAFE
from agv2.utils.environment import Environment, venue_address

__all__ = ["MANDATORY_KEYS", "TradeLockerLogin"]

MANDATORY_KEYS = ("TL_ENVIRONMENT", "TL_EMAIL", "TL_PASSWORD", "TL_SERVER")


@dataclass(frozen=True, slots=True)
class TradeLockerLogin:
    """One login at one venue; `repr` shows neither email, password nor key.

    Raises:
        ConfigError: the address is none, or a part is empty.
    """

    address: str
    """REST address; a host is completed to `https://HOST/backend-api`."""
    email: SecretStr
    password: SecretStr
    server: str
    """The broker's server name as typed at login; case matters."""
    acc_num: int | None = None
    """Number of the account to work with; None: the only active one."""
    developer_key: SecretStr | None = None
    """`developer-api-key` of TradeLocker's developer programme; plain account access needs none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", venue_address(self.address))
        for name, value in (("email", self.email), ("password", self.password)):
            if not value.get_secret_value():
                raise ConfigError(f"the TradeLocker {name} is empty")
        if not self.server.strip():
            raise ConfigError("the TradeLocker server name is empty")
        if self.developer_key is not None and not HEADER_SAFE.fullmatch(self.developer_key.get_secret_value()):
            raise ConfigError("the TradeLocker developer key holds characters that no key has")

    @classmethod
    def from_environment(cls, environment: Environment) -> "TradeLockerLogin":
        """The login that `TL_*` keys describe.

        Raises:
            ConfigError: some of `MANDATORY_KEYS` are not set; all of them are named.
        """
        environment.require(*MANDATORY_KEYS)
        assert environment.tl_environment is not None
        assert environment.tl_email is not None
        assert environment.tl_password is not None
        assert environment.tl_server is not None
        return cls(
            address=environment.tl_environment,
            email=SecretStr(environment.tl_email),
            password=environment.tl_password,
            server=environment.tl_server,
            acc_num=environment.tl_acc_num,
        )

    @property
    def identity(self) -> tuple[str, str, str]:
        """What the venue counts limits by: address, email in one case, server."""
        return self.address, self.email.get_secret_value().casefold(), self.server

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """What no text may contain."""
        key = () if self.developer_key is None else (self.developer_key,)
        return (self.email, self.password, *key)
