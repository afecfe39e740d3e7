ALTER TABLE monitoring.drift
    ADD COLUMN missing double precision NOT NULL DEFAULT 0,
    ADD COLUMN missing_learnt double precision NOT NULL DEFAULT 0,
    ADD COLUMN unseen double precision;
COMMENT ON COLUMN monitoring.drift.missing IS 'Share of the rows without a value, 0 to 1; missing_learnt: in the training set';
COMMENT ON COLUMN monitoring.drift.unseen IS 'Share of the rows with a category that is not in the training set; null: not measured';
