-- +goose Up

-- A bulk export that a client has asked for. unit and after_n say how far it
-- has got, step counts what was written, so that a step is written once.
CREATE TABLE bulk_export (
    id         TEXT    NOT NULL PRIMARY KEY,
    client     TEXT    NOT NULL,
    org        TEXT    NOT NULL,
    scopes     TEXT    NOT NULL,
    request    TEXT    NOT NULL, -- address that was asked for
    level      TEXT    NOT NULL, -- system, patient, group
    types      TEXT    NOT NULL, -- separated by commas
    since      BIGINT,           -- NULL: everything
    at         BIGINT  NOT NULL, -- the content is that of this instant
    state      TEXT    NOT NULL, -- running, done, failed, cancelled, expired
    unit       BIGINT  NOT NULL,
    after_n    BIGINT  NOT NULL,
    step       BIGINT  NOT NULL,
    failures   BIGINT  NOT NULL,
    reason     TEXT    NOT NULL,
    ended_at   BIGINT,
    expires_at BIGINT
);
CREATE INDEX bulk_export_client ON bulk_export (client, state);
CREATE INDEX bulk_export_expiry ON bulk_export (expires_at) WHERE expires_at IS NOT NULL;

-- One file of an export, sealed; deleted when the export expires or is
-- cancelled.
CREATE TABLE bulk_part (
    export  TEXT    NOT NULL,
    no      BIGINT  NOT NULL,
    type    TEXT    NOT NULL,
    deleted BOOLEAN NOT NULL, -- what was deleted since
    count   BIGINT  NOT NULL,
    body    BYTEA   NOT NULL,
    PRIMARY KEY (export, no)
);

-- Whose records an export is about (member: of the group), and for whom it is
-- in the audit log (logged).
CREATE TABLE bulk_patient (
    export  TEXT    NOT NULL,
    patient TEXT    NOT NULL,
    member  BOOLEAN NOT NULL,
    logged  BOOLEAN NOT NULL,
    PRIMARY KEY (export, patient)
);
