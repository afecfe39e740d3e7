-- Every loaded row is an example of a set, or is counted here.
ALTER TABLE training.sets ADD COLUMN left_out jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN training.sets.left_out IS
    'Raw rows that are no examples: month, rule and rows; a row that broke several rules counts under the first of them';
