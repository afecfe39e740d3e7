-- Rows as their source gave them, training sets and tuning trials. The columns of the problem are added to the tables
-- from its declaration, see include/raw/tables.py.
CREATE SCHEMA IF NOT EXISTS raw;
CREATE SCHEMA IF NOT EXISTS training;

-- One partition a month, so that a month is replaced without touching the others.
-- Times are wall time of the problem's time zone: hour and weekday are what most things follow.
CREATE TABLE raw.rows (
    month      text   NOT NULL,
    row_number bigint NOT NULL,
    target     double precision
) PARTITION BY LIST (month);
COMMENT ON COLUMN raw.rows.row_number IS 'Position in the source, from 0: the way back to the row as published';
COMMENT ON COLUMN raw.rows.target IS 'What is predicted, as the problem declares it: a column of the source, or computed when it is loaded';

CREATE TABLE raw.sources (
    month        text PRIMARY KEY,
    location     text        NOT NULL,
    size         bigint,
    validator    text,
    sha256       text        NOT NULL,
    columns      jsonb       NOT NULL,
    reading      text        NOT NULL,
    rows         bigint      NOT NULL,
    loaded_at    timestamptz NOT NULL DEFAULT now(),
    rules        text,
    validated_at timestamptz
);
COMMENT ON COLUMN raw.sources.validator IS 'Cheap sign of a change: ETag, or size and modification time';
COMMENT ON COLUMN raw.sources.columns IS 'The source''s column names and types, to notice when they change';
COMMENT ON COLUMN raw.sources.reading IS 'Hash of the settings that the month was read by';
COMMENT ON COLUMN raw.sources.rules IS 'Hash of the row rules that the month was last validated by';

CREATE TABLE raw.rejected (
    month      text   NOT NULL,
    row_number bigint NOT NULL,
    rule       text   NOT NULL,
    detail     text
);
CREATE INDEX rejected_by_row ON raw.rejected (month, row_number);

CREATE TABLE training.sets (
    version        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint    text,
    state          text        NOT NULL CHECK (state IN ('building', 'published', 'superseded', 'failed')),
    months         text[]      NOT NULL,
    validation_from date,
    test_from      date,
    declaration    jsonb       NOT NULL,
    reference      jsonb       NOT NULL DEFAULT '{}',
    settings       jsonb       NOT NULL,
    sources        jsonb       NOT NULL,
    counts         jsonb,
    statistics     jsonb,
    created_by     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    published_at   timestamptz
);
COMMENT ON COLUMN training.sets.declaration IS 'The problem as it was declared; training.examples_<version> has its columns';
COMMENT ON COLUMN training.sets.validation_from IS 'Null where rows are not split by time';
COMMENT ON COLUMN training.sets.reference IS 'What its features look up, by name, as it was when the set was made';
-- Two runs that build the same set at once: one is published, the other finds it there.
CREATE UNIQUE INDEX one_published_set_a_fingerprint ON training.sets (fingerprint) WHERE state = 'published';

CREATE TABLE training.trials (
    run_key     text        NOT NULL,
    model       text        NOT NULL,
    number      integer     NOT NULL,
    set_version bigint      NOT NULL,
    status      text        NOT NULL,
    loss        double precision,
    parameters  jsonb       NOT NULL,
    metrics     jsonb       NOT NULL DEFAULT '{}',
    document    jsonb       NOT NULL,
    generator   jsonb       NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    PRIMARY KEY (run_key, model, number)
);
COMMENT ON COLUMN training.trials.document IS 'The trial as hyperopt keeps it';
COMMENT ON COLUMN training.trials.generator IS 'State of the random generator after this trial was proposed';

-- Put on a version's examples when it is published.
CREATE FUNCTION training.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Examples of a published training set cannot be changed; build a new version';
END
$$;
