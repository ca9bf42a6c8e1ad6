import gzip
import io
import stat
import zipfile
from pathlib import Path

import pytest

from agv2.core.errors import DataError
from agv2.data.importers.source_file import open_source

TEXT = "2025.01.02,01:00,1,2,1,2,7\n2025.01.02,01:01,1,2,1,2,7\n"
LINES = TEXT.rstrip("\n").encode()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def problem_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_source(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode() + b"\n \n\t\n",
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + TEXT.encode(),
        b"\xff\xfe" + TEXT.encode("utf-16-le"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        gzip.compress(TEXT.encode(), mtime=0),
        gzip.compress(TEXT[:20].encode(), mtime=0) + gzip.compress(TEXT[20:].encode(), mtime=0),
        zipped(("EURUSD1.csv", TEXT.encode())),
        zipped(("folder/", b""), ("folder/EURUSD1.csv", b"\xff\xfe" + TEXT.encode("utf-16-le"))),
    ],
    ids=["plain", "blank lines", "CRLF", "CR", "mark", "UTF-16 LE", "UTF-16 BE", "gz", "gz twice", "zip", "zip folder"],
)
def test_the_same_lines_out_of_any_packing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "EURUSD1.any"  # what it is packed in is told from its content
    path.write_bytes(content)
    assert open_source(path).content == LINES


@pytest.mark.parametrize(
    ("name", "stem"),
    [("EURUSD1.csv.gz", "EURUSD1"), ("a.b_M1.CSV", "a.b_M1"), ("ETHUSDT-1m-2024-01.csv", "ETHUSDT-1m-2024-01")],
)
def test_the_stem_is_without_suffixes(tmp_path: Path, name: str, stem: str) -> None:
    (tmp_path / name).write_text(TEXT)
    assert open_source(tmp_path / name).stem == stem


def test_the_member_of_a_zip_names_the_bars(tmp_path: Path) -> None:
    path = tmp_path / "download (1).zip"
    path.write_bytes(zipped(("x/ETHUSDT-1m-2024-01.csv", TEXT.encode())))
    assert open_source(path).stem == "ETHUSDT-1m-2024-01"


def test_histdatas_report_beside_its_bars_is_left_aside_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "h.zip"
    path.write_bytes(zipped(("DAT_ASCII_A_M1_2012.txt", b"gaps"), ("DAT_ASCII_A_M1_2012.csv", TEXT.encode())))
    source = open_source(path)
    assert source.content == LINES
    assert source.notes == ("DAT_ASCII_A_M1_2012.txt beside the bars: not read",)


def test_json_rows_become_lines(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('[[1457539440000, 1.5, "2.5", null], [1, 2, 3, 4]]')
    assert open_source(path).content == b"1457539440000,1.5,2.5,\n1,2,3,4"


def a_link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted() -> bytes:
    content = bytearray(zipped(("a.csv", TEXT.encode())))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + place] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"a,b,c\x00", "zero bytes"),
        (b"\xff\xfea", "is not text in UTF-8 or UTF-16"),
        (b"caf\xe9,1,2,3", "is not text in UTF-8 or UTF-16"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-9], "cannot be unpacked"),
        (gzip.compress(TEXT.encode(), mtime=0)[:-8] + b"12345678", "cannot be unpacked"),
        (gzip.compress(bytes(200 << 20), 9, mtime=0), "unpacks to more than 64 MiB"),
        (zipped(("a.csv", bytes(200 << 20))), "unpacks to more than 64 MiB"),
        (zipped(("a.csv", b"x"), ("b.csv", b"y")), "2 files inside (a.csv, b.csv), expected one"),
        (zipped(), "cannot be unpacked|zero bytes"),
        (zipped(("folder/", b"")), "0 files inside (none), expected one"),
        (zipped(("../a.csv", b"x")), "points outside the archive"),
        (zipped(("/etc/a.csv", b"x")), "points outside the archive"),
        (zipped(("a\\..\\..\\b.csv", b"x")), "points outside the archive"),
        (zipped(("C:/a.csv", b"x")), "points outside the archive"),
        (zipped((a_link("a.csv"), b"/etc/passwd")), "points outside the archive"),
        (zipped(("a.csv", TEXT.encode()))[:-30], "cannot be unpacked"),
        (encrypted(), "is encrypted"),
        (zipped(("a.zip", zipped(("a.csv", b"x")))), "is not text|zero bytes"),
        (b"[[1,2],", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"a": 1}', "is no array of numbers"),
        (b'[[1, [2]]]', "is no array of numbers"),
        (b'[["a,b", 2]]', "is no array of numbers"),
        (b"[]", "has no rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_reason(tmp_path: Path, content: bytes, problem: str) -> None:
    message = problem_of(tmp_path / "x.bin", content)
    assert any(each in message for each in problem.split("|"))


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    for path, problem in ((tmp_path / "none.csv", "there is no such file"), (tmp_path, "this is a directory")):
        with pytest.raises(DataError, match=problem):
            open_source(path)
