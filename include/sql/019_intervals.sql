-- Intervals beside predictions, and how many actual values they hold.
ALTER TABLE prediction.batch
    ADD COLUMN predicted_low double precision,
    ADD COLUMN predicted_high double precision;
COMMENT ON COLUMN prediction.batch.predicted_low IS
    'With predicted_high, the interval that holds nine of ten actual values; null: not known of the model';

ALTER TABLE monitoring.errors
    ADD COLUMN coverage double precision,
    ADD COLUMN is_uncovered boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN monitoring.errors.coverage IS
    'Share of the window''s actual values inside the intervals that are to hold nine of ten; null: not known of the model';
