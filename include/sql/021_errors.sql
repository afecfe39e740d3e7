-- What models are judged and watched by is the main measure of their objective, whichever that is.
ALTER TABLE training.promotions RENAME COLUMN challenger_rmse TO challenger_error;
ALTER TABLE training.promotions RENAME COLUMN champion_rmse TO champion_error;
ALTER TABLE monitoring.errors RENAME COLUMN rmse TO error;
ALTER TABLE monitoring.errors RENAME COLUMN rmse_limit TO error_limit;
ALTER TABLE monitoring.live_errors RENAME COLUMN rmse TO error;
COMMENT ON COLUMN training.promotions.interval_low IS
    'Interval of the challenger''s error minus that of what it was judged against';
COMMENT ON COLUMN training.sets.baselines IS
    'Predictions that need no model: name, value or lag, and measures by split';
