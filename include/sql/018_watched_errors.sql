-- The champion's error in each window, alarms that follow from it, and drift of what is asked for.
CREATE TABLE monitoring.errors (
    name             text             NOT NULL,
    champion_version bigint           NOT NULL,
    window_start     date             NOT NULL,
    window_days      integer          NOT NULL,
    rows             bigint           NOT NULL,
    rmse             double precision NOT NULL,
    rmse_limit       double precision NOT NULL,
    bias             double precision NOT NULL,
    shift            double precision,
    shift_limit      double precision,
    is_high          boolean          NOT NULL,
    has_moved        boolean          NOT NULL,
    measured_at      timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (name, champion_version, window_start)
);
COMMENT ON TABLE monitoring.errors IS 'The champion''s error on all rows of a window whose actual values have arrived';
COMMENT ON COLUMN monitoring.errors.bias IS 'Median of predicted minus actual';
COMMENT ON COLUMN monitoring.errors.shift IS
    'How far the bias of the newest windows together is from where the champion was judged; null: not compared';

ALTER TABLE monitoring.alarms ADD COLUMN errors text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN monitoring.alarms.errors IS 'What is wrong with the champion''s error, a phrase each';

ALTER TABLE monitoring.drift ADD COLUMN source text NOT NULL DEFAULT 'rows' CHECK (source IN ('rows', 'requests'));
ALTER TABLE monitoring.drift DROP CONSTRAINT drift_pkey,
    ADD PRIMARY KEY (name, champion_version, source, window_start, column_name);
COMMENT ON COLUMN monitoring.drift.source IS
    'rows: those of raw.rows in the window; requests: those of prediction.log that were made in it';
