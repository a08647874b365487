-- +goose Up

-- How far what modules keep has been projected into the record. A kind without
-- a row is not projected yet; version is that of its projector, last_id where
-- the back-fill has come to.
CREATE TABLE record_projector (
    kind     TEXT    NOT NULL PRIMARY KEY,
    version  INTEGER NOT NULL,
    last_id  TEXT    NOT NULL,
    begun_at BIGINT  NOT NULL,
    done_at  BIGINT
);

-- Which resource that a system wrote stands for a thing of a module: its first
-- version is what was received, the later ones follow the thing.
CREATE TABLE record_origin (
    kind  TEXT NOT NULL,
    thing TEXT NOT NULL,
    type  TEXT NOT NULL,
    id    TEXT NOT NULL,
    PRIMARY KEY (kind, thing, type),
    UNIQUE (type, id)
);
