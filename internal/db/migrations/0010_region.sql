-- +goose Up
-- Administrative divisions: country, province, city, county, town, village.
-- Codes are those of the statistics bureau (2, 4, 6, 9 and 12 digits; CN).
CREATE TABLE region (
    code   TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    level  TEXT NOT NULL,
    parent TEXT NOT NULL -- '' for the country
);
CREATE INDEX region_parent ON region (parent, code);

-- +goose Down
DROP TABLE region;
