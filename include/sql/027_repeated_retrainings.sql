-- What failed is not tried again at once, unless something has changed.
ALTER TABLE training.retrainings ADD COLUMN fingerprint text;
COMMENT ON COLUMN training.retrainings.fingerprint IS
    'Hash of what could make it end otherwise: the files of its months, the open alarms and the settings';
