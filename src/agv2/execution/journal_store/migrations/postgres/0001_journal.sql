CREATE TABLE agv2_journal.journals (
    journal text PRIMARY KEY,
    identity text NOT NULL,
    -- Rises with each writer; who writes under an older number has been replaced.
    epoch bigint NOT NULL
);

CREATE TABLE agv2_journal.entries (
    journal text NOT NULL REFERENCES agv2_journal.journals,
    seq bigint NOT NULL,
    ts_ns bigint NOT NULL,
    run text NOT NULL,
    kind text NOT NULL,
    symbol text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (journal, seq)
);

CREATE INDEX entries_by_kind ON agv2_journal.entries (journal, kind, seq);

CREATE FUNCTION agv2_journal.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only';
END;
$$;

CREATE TRIGGER entries_stay BEFORE UPDATE OR DELETE ON agv2_journal.entries
    FOR EACH ROW EXECUTE FUNCTION agv2_journal.refuse_change();

CREATE TRIGGER entries_are_never_emptied BEFORE TRUNCATE ON agv2_journal.entries
    FOR EACH STATEMENT EXECUTE FUNCTION agv2_journal.refuse_change();
