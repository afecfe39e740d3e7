-- Each mapped task's own error, where one alert tells of several.
ALTER TABLE alerts.occurrences ADD COLUMN details text NOT NULL DEFAULT '';
