-- +goose Up
-- Instants are BIGINT Unix milliseconds (UTC), business dates TEXT YYYY-MM-DD
-- (Asia/Shanghai), money BIGINT fen, ids UUIDv7 text.

-- Small dated facts of the installation itself: schema notes, counters, seeds.
CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- +goose Down
DROP TABLE setting;
