-- Of classes, what is kept is the one that was decided for and the probabilities of all, instead of a number.
ALTER TABLE prediction.log
    ALTER COLUMN predicted DROP NOT NULL,
    ADD COLUMN predicted_class text,
    ADD COLUMN probabilities double precision[];
COMMENT ON COLUMN prediction.log.predicted IS 'The number that was predicted; null where classes are';
COMMENT ON COLUMN prediction.log.predicted_class IS 'The label that was decided for; null where numbers are predicted';
COMMENT ON COLUMN prediction.log.probabilities IS
    'Of each class, in the order of the labels: as they are declared, of two classes the positive one last';

ALTER TABLE prediction.batch
    ALTER COLUMN predicted DROP NOT NULL,
    ADD COLUMN predicted_class text,
    ADD COLUMN probabilities double precision[];
COMMENT ON COLUMN prediction.batch.predicted IS 'As in prediction.log, like predicted_class and probabilities';

-- The error is that of the objective's main measure; nobody read the other one.
ALTER TABLE monitoring.live_errors DROP COLUMN mae;
