-- How often the same held-out rows have compared a challenger: the confidence that a winner needs rises with it.

ALTER TABLE training.promotions ADD COLUMN look integer NOT NULL DEFAULT 1;
COMMENT ON COLUMN training.promotions.look IS
    'How many versions were compared on these rows, this one included; the interval has the confidence 1 - 0.01 / look';
