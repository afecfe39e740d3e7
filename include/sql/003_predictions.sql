-- Predictions: each one that was asked for, and whole months scored at once.
CREATE SCHEMA IF NOT EXISTS prediction;

CREATE TABLE prediction.log (
    at            timestamptz      NOT NULL,
    source        text             NOT NULL CHECK (source IN ('rest', 'service')),
    request_id    text,
    model_version integer          NOT NULL,
    predicted     double precision NOT NULL
);
COMMENT ON COLUMN prediction.log.source IS 'rest: a run of the DAG prediction; service: the serving process';
COMMENT ON COLUMN prediction.log.request_id IS 'rest: the DAG run''s id; service: the header X-Request-ID, if there was one';
CREATE INDEX log_by_time ON prediction.log (at);
-- A task that is tried again replaces what its run wrote before.
CREATE INDEX log_by_run ON prediction.log (request_id) WHERE source = 'rest';

-- How far the journals of serving processes have been written, so that no line of one is written twice.
CREATE TABLE prediction.journals (
    name    text   PRIMARY KEY,
    written bigint NOT NULL
);
COMMENT ON COLUMN prediction.journals.name IS 'Of the file in the home directory of the process, without its suffix';
COMMENT ON COLUMN prediction.journals.written IS 'Number of the last line in prediction.log';

-- One partition a month, as in raw.rows; within it, the rows of a model version are replaced together.
CREATE TABLE prediction.batch (
    month         text             NOT NULL,
    model_version integer          NOT NULL,
    row_number    bigint           NOT NULL,
    predicted     double precision NOT NULL
) PARTITION BY LIST (month);
COMMENT ON COLUMN prediction.batch.row_number IS 'Position in the source, as in raw.rows';
