-- What a first model has to beat.
ALTER TABLE training.sets ADD COLUMN baselines jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN training.sets.baselines IS
    'Predictions that need no model: name, value or lag, and RMSE and MAE by split';
ALTER TABLE training.promotions ADD COLUMN baseline text;
COMMENT ON COLUMN training.promotions.baseline IS
    'The best baseline, which it was judged against where no champion could be; null: it was judged against a version';
