-- Large sets are also kept as Parquet files. The row is there before the first file is and goes after the last one has:
-- no file is forgotten. A copy of the database would not own the files, so that backups leave these rows out.
CREATE TABLE training.files (
    directory text   PRIMARY KEY,
    version   bigint NOT NULL,
    parts     jsonb
);
COMMENT ON COLUMN training.files.directory IS 'Address of the directory, as fsspec reads it';
COMMENT ON COLUMN training.files.parts IS
    'Its files in their order: name, split and SHA-256; null until all are written, and where Postgres is to be read';
