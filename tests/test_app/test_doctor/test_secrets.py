import pytest
from pydantic import SecretStr

from agv2.app.doctor.secrets import secrets_of, without_secrets
from agv2.utils.environment import Environment

ENVIRONMENT = Environment.model_construct(
    tl_email="me@example.com",
    tl_password=SecretStr("hunter2"),
    database_url=SecretStr("postgresql://u:p%40ssw0rd@db.example.com/x"),
    redis_url=SecretStr("redis://:r3dis-pw@127.0.0.1:6379/0"),
    mlflow_tracking_uri="http://u:ml-pw@ml.example.com",
    otel_exporter_otlp_endpoint="http://otel.example.com:4318/?key=0telkey",
)


@pytest.mark.parametrize(
    "secret", ["me@example.com", "hunter2", "p%40ssw0rd", "p@ssw0rd", "r3dis-pw", "ml-pw", "key=0telkey"]
)
def test_whatever_a_message_holds_no_secret_is_left(secret: str) -> None:
    text = without_secrets(f"refused '{secret}'\nat db.example.com", secrets_of(ENVIRONMENT))
    assert text == "refused '[hidden]' at db.example.com"


def test_nothing_set_is_nothing_hidden() -> None:
    assert without_secrets("all of it", secrets_of(None)) == "all of it"
