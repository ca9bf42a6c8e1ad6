from pathlib import Path

import pytest
from pydantic import SecretStr

from agv2.app.doctor.environment_keys import check_env_file, check_environment
from agv2.app.doctor.finding import Status
from agv2.utils.environment import Environment


def finding_of(tmp_path: Path, text: str, mode: int = 0o600) -> tuple[Status, str, str]:
    path = tmp_path / ".env"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    found = check_env_file(tmp_path)
    return found.status, found.detail, found.remedy


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    assert check_env_file(tmp_path).status is Status.ABSENT


def test_known_keys_are_fine(tmp_path: Path) -> None:
    assert finding_of(tmp_path, "# c\nTL_EMAIL=a@b\nexport REDIS_URL=redis://h\n")[:2] == (
        Status.OK,
        "2 keys, none misspelt",
    )


@pytest.mark.parametrize(("wrong", "right"), [("DATABSE_URL", "DATABASE_URL"), ("TL_PASWORD", "TL_PASSWORD")])
def test_a_misspelt_key_is_named_with_the_right_one_and_without_its_value(
    wrong: str, right: str, tmp_path: Path
) -> None:
    status, detail, remedy = finding_of(tmp_path, f"{wrong}=hunter2\n")
    assert status is Status.FAILED
    assert wrong in detail
    assert remedy == f"write {right}"
    assert "hunter2" not in detail + remedy


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("OPENAI_KEY=x\n", 0o600, "does not read OPENAI_KEY"),
        ("TL_EMAIL=a\nTL_EMAIL=b\n", 0o600, "TL_EMAIL more than once"),
        ("TL_EMAIL=a\n", 0o644, "others on this machine may read it"),
    ],
)
def test_what_works_but_should_not_be_so_is_a_warning(text: str, mode: int, said: str, tmp_path: Path) -> None:
    status, detail, remedy = finding_of(tmp_path, text, mode)
    assert status is Status.WARNING
    assert said in detail
    assert remedy


def test_a_login_is_all_or_nothing() -> None:
    nothing = Environment.model_construct()
    assert check_environment(nothing, "").detail == "nothing set: all defaults"
    half = Environment.model_construct(tl_email="a@b", tl_password=SecretStr("hunter2"))
    finding = check_environment(half, "")
    assert finding.status is Status.FAILED
    assert finding.detail == "of the TradeLocker login there is no TL_ENVIRONMENT, TL_SERVER"
    only_account = check_environment(Environment.model_construct(tl_acc_num=1), "")
    assert only_account.status is Status.FAILED
