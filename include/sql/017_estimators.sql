-- The estimator of each search's best trial, from its first fit until the final model is trained.

CREATE TABLE training.estimators (
    run_key    text        NOT NULL,
    model      text        NOT NULL,
    parameters jsonb       NOT NULL,
    file       text        NOT NULL,
    contents   bytea       NOT NULL,
    kept_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_key, model)
);
COMMENT ON COLUMN training.estimators.file IS 'Name of the file that the contents are of: which library reads it';
