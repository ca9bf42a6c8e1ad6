from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
PLAIN = ("-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:asyncio")


@pytest.mark.parametrize(
    "body",
    [
        "import pytest\n\ndef test_it():\n    pytest.skip('no browser')\n",
        "import pytest\n\npytest.importorskip('no_such_module')\n\ndef test_it():\n    pass\n",
    ],
)
def test_a_skip_fails_where_skips_are_forbidden(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    pytester.makeconftest(
        (ROOT / "conftest.py").read_text(encoding="utf-8").replace('pytest_plugins = ["pytester"]', "")
    )
    pytester.makepyfile(body)
    monkeypatch.delenv("AGV2_FORBID_SKIPS", raising=False)
    allowed = pytester.runpytest_inprocess(*PLAIN)
    allowed.assert_outcomes(skipped=1)
    monkeypatch.setenv("AGV2_FORBID_SKIPS", "1")
    forbidden = pytester.runpytest_inprocess(*PLAIN)
    assert forbidden.ret != 0
    forbidden.stdout.fnmatch_lines(["*AGV2_FORBID_SKIPS=1, yet * was skipped: *"])
