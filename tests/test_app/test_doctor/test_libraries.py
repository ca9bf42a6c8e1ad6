from pathlib import Path

import pytest

from agv2.app.doctor import libraries
from agv2.app.doctor.finding import Status


def test_compilation_that_is_switched_off_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_PLAIN_KERNELS", "1")
    assert libraries.check_numba().status is Status.WARNING


def test_a_library_that_cannot_be_loaded_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('libgomp is missing')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = libraries.check_torch()
    assert finding.status is Status.FAILED
    assert finding.detail == "ImportError: libgomp is missing"
    assert "bootstrap.py install" in finding.remedy


def test_a_crash_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("import os\nos.abort()\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert libraries.check_torch().detail == "crashed with signal 6"


def test_one_that_never_comes_back_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(libraries, "LIBRARY_LIMIT_S", 0.5)
    assert libraries.check_torch().detail == "not loaded within 0.5 s"
