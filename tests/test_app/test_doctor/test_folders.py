import importlib
import stat
from pathlib import Path

import numba  # noqa: TID251 - to see where the one door has put its cache

from agv2.app.doctor.finding import Status
from agv2.app.doctor.folders import check_writable, kernel_cache_folder


def test_a_folder_of_ours_is_fine_and_left_as_it_was(tmp_path: Path) -> None:
    assert check_writable(tmp_path, "AGV2_HOME").status is Status.OK
    finding = check_writable(tmp_path / "not/yet", "AGV2_HOME")
    assert finding.status is Status.OK
    assert "not made yet" in finding.detail
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_nobody_can_write_in_has_its_remedy() -> None:
    finding = check_writable(Path("/proc/agv2"), "AGV2_HOME")
    assert finding.status is Status.FAILED
    assert "/proc" in finding.detail
    assert "AGV2_HOME" in finding.remedy


def test_what_counts_is_whether_a_file_can_be_made(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        (tmp_path / "tried").touch()  # as the superuser can
        status = Status.OK
    except PermissionError:
        status = Status.FAILED
    assert check_writable(tmp_path, "AGV2_HOME").status is status


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file", encoding="utf-8")
    finding = check_writable(tmp_path / "home/data", "AGV2_HOME")
    assert finding.status is Status.FAILED
    assert finding.detail == f"{tmp_path / 'home'} is no folder"


def test_the_kernel_cache_is_where_kernels_go() -> None:
    importlib.import_module("agv2.core.barriers")  # holds a kernel, so the cache is set
    assert Path(getattr(numba.config, "CACHE_DIR")).parent == kernel_cache_folder()  # noqa: B009 - filled at run time
