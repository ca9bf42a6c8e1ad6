import pathlib

import pytest

from agv2.backtest.atomic_files import write_atomically


def test_content_replaces_the_old_file_and_leaves_nothing_else(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, "first, longer")
    write_atomically(path, "zweite ü")
    assert path.read_text(encoding="utf-8") == "zweite ü"
    assert [item.name for item in path.parent.iterdir()] == ["file.json"]


def test_a_failed_replacement_keeps_the_old_target_and_no_temporary_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "taken"
    (path / "inside").mkdir(parents=True)  # a directory cannot be replaced by a file
    with pytest.raises(OSError):
        write_atomically(path, b"bytes")
    assert [item.name for item in tmp_path.iterdir()] == ["taken"]
