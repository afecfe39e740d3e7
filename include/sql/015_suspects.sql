-- Columns that may only be known with the target.
ALTER TABLE training.sets ADD COLUMN suspects jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN training.sets.suspects IS
    'Columns that alone explain most of the target in the training split: name and share of its variance';
