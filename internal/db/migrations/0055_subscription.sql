-- +goose Up

-- A rest-hook subscription (FHIR Subscription of the same id). headers are
-- sealed: the resource shows their names only. serial rises with each request
-- for activation, so that an old handshake activates nothing.
CREATE TABLE subscription (
    id            TEXT    NOT NULL PRIMARY KEY,
    client        TEXT    NOT NULL,
    org           TEXT    NOT NULL,
    type          TEXT    NOT NULL, -- of the resources it is about
    criteria      TEXT    NOT NULL, -- search behind the question mark
    endpoint      TEXT    NOT NULL,
    headers       TEXT    NOT NULL,
    payload       BOOLEAN NOT NULL, -- the resource is sent along
    state         TEXT    NOT NULL, -- requested, active, error, refused, off
    serial        BIGINT  NOT NULL,
    failures      BIGINT  NOT NULL, -- in a row
    failing_since BIGINT,
    ends_at       BIGINT
);
CREATE INDEX subscription_type ON subscription (type, state);
