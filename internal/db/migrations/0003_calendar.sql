-- +goose Up
-- Uploaded years of the working-day calendar. A correction is a new version;
-- the old one is voided and kept.
CREATE TABLE calendar_year (
    id            TEXT PRIMARY KEY,
    year          INTEGER NOT NULL,
    version       INTEGER NOT NULL,
    number        TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    uploaded_by   TEXT    NOT NULL,
    uploaded_name TEXT    NOT NULL,
    uploaded_at   BIGINT  NOT NULL,
    voided_at     BIGINT,
    voided_by     TEXT,
    void_reason   TEXT,
    UNIQUE (year, version)
);

-- One version of a year counts at a time.
CREATE UNIQUE INDEX calendar_year_current ON calendar_year (year) WHERE voided_at IS NULL;

CREATE TABLE calendar_day (
    calendar_year TEXT    NOT NULL REFERENCES calendar_year (id),
    day           TEXT    NOT NULL,
    off           BOOLEAN NOT NULL,
    name          TEXT    NOT NULL,
    PRIMARY KEY (calendar_year, day)
);

-- +goose Down
DROP TABLE calendar_day;
DROP TABLE calendar_year;
