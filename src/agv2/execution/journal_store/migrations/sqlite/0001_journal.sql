CREATE TABLE journal (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    identity TEXT NOT NULL
) STRICT;

CREATE TABLE entries (
    seq INTEGER PRIMARY KEY,
    ts_ns INTEGER NOT NULL,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    symbol TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE INDEX entries_by_kind ON entries (kind, seq);

CREATE TRIGGER entries_stay_as_they_are BEFORE UPDATE ON entries
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER entries_stay BEFORE DELETE ON entries
BEGIN
    SELECT RAISE(ABORT, 'the journal is append-only');
END;
