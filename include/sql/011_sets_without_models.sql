-- A training set knows nothing of the models that learn from it, and keeps the zones that it was made with.
ALTER TABLE training.sets DROP COLUMN feature_set;
ALTER TABLE training.sets ADD COLUMN positions jsonb NOT NULL DEFAULT '{"longitude": [], "latitude": []}';
COMMENT ON COLUMN training.sets.positions IS
    'Zone positions in degrees, by zone id from 0 on, as they were when the set was made; null: none';
