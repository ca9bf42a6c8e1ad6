from pathlib import Path

import pytest

from agv2.app.cli.main import main
from agv2.app.doctor.settings_files import SETTINGS_MODELS
from agv2.app.scaffold import scaffold
from agv2.core.errors import ConfigError
from agv2.utils.config import load_config, shipped_config_dir
from agv2.utils.environment import env_file_keys

FOLDERS = {"bars", "config", "runs"}


def contents(home: Path) -> dict[str, bytes]:
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_home_has_every_settings_file_with_its_comments(tmp_path: Path) -> None:
    scaffold(tmp_path / "home")
    written = contents(tmp_path / "home")
    assert {f"config/{name}.yaml" for name in SETTINGS_MODELS} | {".env.example", ".gitignore", "README.md"} == set(
        written
    )
    assert {path.name for path in (tmp_path / "home").iterdir() if path.is_dir()} == FOLDERS
    assert written["config/risk.yaml"] == (shipped_config_dir() / "risk.yaml").read_bytes()
    assert b"#" in written["config/risk.yaml"]
    assert "TL_PASSWORD" in env_file_keys(tmp_path / "home/.env.example")


@pytest.mark.parametrize("name", SETTINGS_MODELS)
def test_a_fresh_home_changes_no_setting(name: str, tmp_path: Path) -> None:
    scaffold(tmp_path)
    model = SETTINGS_MODELS[name]
    assert load_config(model, name, tmp_path / "config") == load_config(model, name)


def test_what_is_there_is_kept_and_named(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    mine = {"config/risk.yaml": b"# mine\n", "README.md": b"my notes\n"}
    for name, content in mine.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / ".env.example").symlink_to(tmp_path / "nowhere")
    made = scaffold(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in made.kept} == {*mine, ".env.example"}
    assert {name: contents(tmp_path)[name] for name in mine} == mine
    assert not (tmp_path / "nowhere").exists()


def test_a_second_time_writes_nothing(tmp_path: Path) -> None:
    first = scaffold(tmp_path)
    before = contents(tmp_path)
    second = scaffold(tmp_path)
    assert second.written == ()
    assert len(second.kept) == len([path for path in first.written if path.is_file()])
    assert contents(tmp_path) == before


@pytest.mark.parametrize("name", ["", "bars", "config"])
def test_a_file_in_the_place_of_a_folder_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    if name:
        home.mkdir()
    (home / name).write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no folder; move it away"):
        scaffold(home)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [name or "home"]


def test_a_place_that_is_not_ours_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["init", "/proc/agv2-home"])
    assert leaving.value.code == 1
    assert capsys.readouterr().err.startswith("agv2: /proc/agv2-home cannot be made (")


def test_the_command_names_what_it_did_and_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for title in ("made", "kept"):
        with pytest.raises(SystemExit) as leaving:
            main(["init", "home"])
        assert leaving.value.code == 0
        text = capsys.readouterr().out
        assert f"{title}  home/config/costs.yaml" in text
        assert "cd home" in text
        assert text.count("  agv2 ") == 3
