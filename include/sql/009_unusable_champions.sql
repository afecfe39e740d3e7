-- Champions that cannot be used, and what versions are judged against meanwhile.
ALTER TABLE training.promotions ADD COLUMN rival_version bigint;
COMMENT ON COLUMN training.promotions.champion_version IS 'The champion at that time; null: there was none';
COMMENT ON COLUMN training.promotions.rival_version IS
    'What it was judged against, and what becomes `previous` if it becomes champion: the champion, or the previous one'
    ' where the champion could not be used; null: the mean of the training set';

CREATE TABLE monitoring.unusable_champions (
    name        text        NOT NULL,
    version     bigint      NOT NULL,
    problem     text        NOT NULL,
    found_at    timestamptz NOT NULL DEFAULT now(),
    answered_by text,
    PRIMARY KEY (name, version)
);
COMMENT ON TABLE monitoring.unusable_champions IS 'A row for as long as such a version is champion';
COMMENT ON COLUMN monitoring.unusable_champions.answered_by IS 'The retraining that answered it; null: not answered yet';
