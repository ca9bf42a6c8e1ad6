"""The audit log as a table, for whoever wants to ask it questions."""

import json
from pathlib import Path

import polars as pl

from agv2.core.errors import ConfigError, DataError
from agv2.deploy.audit_chain import AuditRecord, read_records, verify_chain

__all__ = ["export_audit"]

_TEXTS = ("request_id", "model", "input_sha256", "symbol", "account", "actor", "reason")
_NUMBERS = ("bar_ts_ns", "of")
_CHOICES = ("position", "size", "stop", "target")


def export_audit(chain: Path, out: Path) -> int:
    """Write a chain as Parquet, a row a record; returns the number of rows.

    Columns: `n`, `ts`, `kind`, `prev`, `sha256`, the commonest entries of a body as columns of their own (null where a
    record has none), `p_position`, `p_size`, `p_stop`, `p_target` as lists, and `body`, all of it, as JSON.

    Args:
        chain: file of the audit log.
        out: file to write; nothing is written over.

    Raises:
        DataError: a record was changed.
        ConfigError: `out` is there already, or cannot be written.
    """
    if out.exists():
        raise ConfigError(f"--out {out}: is there already; name another file")
    if (report := verify_chain(chain)).first_bad:
        raise DataError(f"{chain}: {report.problem}; `agv2 audit verify` says more")
    rows = [_row(record) for record in read_records(chain)]
    schema: dict[str, pl.DataType] = {"n": pl.Int64(), "ts": pl.Int64(), "kind": pl.String()}
    schema |= dict.fromkeys(_TEXTS, pl.String()) | dict.fromkeys(_NUMBERS, pl.Int64())
    schema |= {f"p_{choice}": pl.List(pl.Float64()) for choice in _CHOICES}
    schema |= {"body": pl.String(), "prev": pl.String(), "sha256": pl.String()}
    frame = pl.DataFrame(rows, schema=schema).with_columns(
        pl.from_epoch("ts", time_unit="ns").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(out, compression="zstd")
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written ({error.strerror})") from error
    return frame.height


def _row(record: AuditRecord) -> dict[str, object]:
    body = record.body
    probabilities = body.get("probabilities") or {}
    return {
        "n": record.number,
        "ts": record.ts_ns,
        "kind": record.kind,
        **{name: body.get(name) for name in (*_TEXTS, *_NUMBERS)},
        **{f"p_{choice}": probabilities.get(choice) for choice in _CHOICES},
        "body": json.dumps(body, sort_keys=True, ensure_ascii=False),
        "prev": record.previous,
        "sha256": record.digest,
    }
