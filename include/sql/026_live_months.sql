-- Live errors are measured again where rows or predictions are new; weeks whose predictions were pruned stay.
ALTER TABLE monitoring.live_errors ADD COLUMN logged bigint;
COMMENT ON COLUMN monitoring.live_errors.logged IS
    'Predictions that prediction.log had of the week, compared or not: with fewer of them, it is not measured again;'
    ' null: not counted, then the number of rows decides';

CREATE TABLE monitoring.live_months (
    month          text        PRIMARY KEY,
    changed_at     timestamptz NOT NULL,
    recipe         text        NOT NULL,
    compared_until timestamptz NOT NULL
);
COMMENT ON TABLE monitoring.live_months IS 'Months whose rows were compared with logged predictions';
COMMENT ON COLUMN monitoring.live_months.changed_at IS 'When the rows that were compared were loaded or validated';
COMMENT ON COLUMN monitoring.live_months.recipe IS 'Hash of what decides how predictions and rows are compared';
COMMENT ON COLUMN monitoring.live_months.compared_until IS 'Predictions from before this time were compared';
