-- +goose Up

-- The head of each FHIR resource. n is its number: time of making and chance,
-- ascending, so that it is also the order of paging. patient is the resident
-- whose record it belongs to ('' none), source and client who sent it, owner the
-- module that made it ('' received). withdrawn_at: taken out of the chart.
CREATE TABLE record_resource (
    n            BIGINT  NOT NULL PRIMARY KEY,
    type         TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    version      BIGINT  NOT NULL,
    updated_at   BIGINT  NOT NULL,
    deleted      BOOLEAN NOT NULL,
    patient      TEXT    NOT NULL,
    source       TEXT    NOT NULL,
    client       TEXT    NOT NULL,
    owner        TEXT    NOT NULL,
    withdrawn_at BIGINT,
    UNIQUE (type, id)
);
CREATE INDEX record_resource_patient ON record_resource (patient, type, n);
CREATE INDEX record_resource_type ON record_resource (type, n);
CREATE INDEX record_resource_updated ON record_resource (type, updated_at, n);

-- Every version; the body is sealed. A deletion is a version without a body.
CREATE TABLE record_version (
    n       BIGINT NOT NULL,
    version BIGINT NOT NULL,
    type    TEXT   NOT NULL,
    id      TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    method  TEXT   NOT NULL,
    source  TEXT   NOT NULL,
    client  TEXT   NOT NULL,
    owner   TEXT   NOT NULL,
    body    BYTEA,
    PRIMARY KEY (n, version)
);
CREATE INDEX record_version_at ON record_version (at, n, version);
CREATE INDEX record_version_type_at ON record_version (type, at, n, version);

-- Search values of the current version. param is the number of (type,
-- parameter); pt the number of the resident, 0 for none. Tokens, strings,
-- references and URIs are text; sys is the number of a token's system.
CREATE TABLE record_text (
    param INTEGER NOT NULL,
    value TEXT    NOT NULL,
    sys   BIGINT  NOT NULL,
    pt    BIGINT  NOT NULL,
    n     BIGINT  NOT NULL
);
CREATE INDEX record_text_value ON record_text (param, value, pt, n, sys);
CREATE INDEX record_text_n ON record_text (n);

-- Dates and periods: milliseconds, both ends inclusive.
CREATE TABLE record_date (
    param INTEGER NOT NULL,
    low   BIGINT  NOT NULL,
    high  BIGINT  NOT NULL,
    pt    BIGINT  NOT NULL,
    n     BIGINT  NOT NULL
);
CREATE INDEX record_date_pt ON record_date (param, pt, low, n, high);
CREATE INDEX record_date_low ON record_date (param, low, n, high);
CREATE INDEX record_date_n ON record_date (n);

-- Numbers and quantities: the range that the written digits stand for.
CREATE TABLE record_number (
    param INTEGER          NOT NULL,
    low   DOUBLE PRECISION NOT NULL,
    high  DOUBLE PRECISION NOT NULL,
    unit  TEXT             NOT NULL,
    sys   BIGINT           NOT NULL,
    pt    BIGINT           NOT NULL,
    n     BIGINT           NOT NULL
);
CREATE INDEX record_number_low ON record_number (param, low, n, high, unit, sys);
CREATE INDEX record_number_n ON record_number (n);
