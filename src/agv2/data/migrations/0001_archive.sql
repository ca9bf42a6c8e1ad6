-- The archive of bars, as received. Everything lives in the schema agv2; nothing else is touched.

-- Tells this archive from one made anew at the same address: change numbers of another archive mean nothing.
CREATE TABLE agv2.archive (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO agv2.archive DEFAULT VALUES;

-- One row a series. Writers lock it until they commit, so writers of one series queue and its change numbers become
-- visible in their order: whoever has seen number n has seen all below. A sequence would not give that.
CREATE TABLE agv2.series (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol text COLLATE "C" NOT NULL CHECK (symbol <> ''),
    timeframe text COLLATE "C" NOT NULL CHECK (timeframe ~ '^[1-9][0-9]*[mhdw]$'),
    source text NOT NULL,
    price_side text NOT NULL,
    change bigint NOT NULL DEFAULT 0,
    n_bars bigint NOT NULL DEFAULT 0,
    first_ts timestamptz,
    last_ts timestamptz,
    UNIQUE (symbol, timeframe)
);

-- One partition a series (bars_<id of the series>), so symbol, timeframe, source and price side are constants of each and
-- its primary key is `ts` alone: together that is the key (symbol, timeframe, ts), at half the cost of an index over
-- all three.
CREATE TABLE agv2.bars (
    ts timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision,
    spread double precision,
    received_at timestamptz NOT NULL DEFAULT now(),
    change bigint NOT NULL,
    symbol text COLLATE "C" NOT NULL,
    timeframe text COLLATE "C" NOT NULL,
    source text NOT NULL,
    price_side text NOT NULL
) PARTITION BY RANGE (symbol, timeframe, ts);

COMMENT ON TABLE agv2.bars IS 'Bars as received; ts is the open, UTC; volume and spread are null where unknown.';
COMMENT ON COLUMN agv2.bars.change IS 'Number of the write to its series that last changed the row.';

-- A table for the bars of a series, without index and not yet seen by readers of agv2.bars: quick to fill.
CREATE FUNCTION agv2.make_partition(series_id integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'bars_' || series_id;
    each agv2.series;
BEGIN
    SELECT * INTO STRICT each FROM agv2.series WHERE id = series_id;
    EXECUTE format('CREATE TABLE agv2.%I (LIKE agv2.bars INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
    EXECUTE format(
        'ALTER TABLE agv2.%I ALTER symbol SET DEFAULT %L, ALTER timeframe SET DEFAULT %L, '
        'ALTER source SET DEFAULT %L, ALTER price_side SET DEFAULT %L',
        partition, each.symbol, each.timeframe, each.source, each.price_side);
END $$;

-- Key and index of a filled table, then its place below agv2.bars. The index on change lets a reader find what is new;
-- rows are appended in the order of their changes, so the smallest kind of index serves.
CREATE FUNCTION agv2.attach_partition(series_id integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    partition text := 'bars_' || series_id;
    each agv2.series;
    allowed record;
BEGIN
    SELECT * INTO STRICT each FROM agv2.series WHERE id = series_id;
    EXECUTE format('ALTER TABLE agv2.%I ADD PRIMARY KEY (ts)', partition);
    EXECUTE format(
        'CREATE INDEX ON agv2.%I USING brin (change) WITH (pages_per_range = 32, autosummarize = on)', partition);
    EXECUTE format(
        'ALTER TABLE agv2.bars ATTACH PARTITION agv2.%I FOR VALUES FROM (%L, %L, MINVALUE) TO (%L, %L, MAXVALUE)',
        partition, each.symbol, each.timeframe, each.symbol, each.timeframe);
    -- Who may use agv2.bars may use its parts, which are read by name.
    FOR allowed IN
        SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS grantee
        FROM pg_class, aclexplode(relacl) WHERE oid = 'agv2.bars'::regclass AND grantee <> relowner
    LOOP
        EXECUTE format('GRANT %s ON agv2.%I TO %s', allowed.privilege_type, partition, allowed.grantee);
    END LOOP;
END $$;
