-- Every loaded row is an example of a set, or is counted here.
ALTER TABLE training.sets ADD COLUMN left_out jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN training.sets.left_out IS
    'Raw rows that are no examples: month, rule and rows; a row that broke several rules counts under the first of them';
COMMENT ON COLUMN raw.rows.dropoff_at IS
    'Where the source gives a zone, on the clock that held at pickup: the difference to pickup_at is the time between the two even if clocks changed';
