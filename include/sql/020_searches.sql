-- A search can have several workers. What a trial is follows from its number, the seed and the trials of earlier rounds.
CREATE TABLE training.searches (
    run_key text  NOT NULL,
    model   text  NOT NULL,
    first   jsonb NOT NULL,
    PRIMARY KEY (run_key, model)
);
COMMENT ON COLUMN training.searches.first IS 'The parameters that the search begins with, by whichever worker came first';

ALTER TABLE training.trials
    ADD COLUMN error text,
    ADD COLUMN curve jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN has_ended boolean NOT NULL DEFAULT false;
UPDATE training.trials
SET error = document #>> '{result,error}',
    curve = coalesce(document #> '{result,curve}', '[]'),
    has_ended = coalesce((document #>> '{result,has_ended}')::boolean, false);
ALTER TABLE training.trials DROP COLUMN document, DROP COLUMN generator;
COMMENT ON COLUMN training.trials.curve IS 'Of a booster: rounds times learning rate, and the lowest validation error so far';
