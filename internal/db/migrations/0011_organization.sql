-- +goose Up
-- Institutions. Closed ones stay with active = false.
CREATE TABLE organization (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    short_name     TEXT NOT NULL,
    kind           TEXT NOT NULL,
    level          TEXT NOT NULL,
    ownership      TEXT NOT NULL,
    region         TEXT NOT NULL REFERENCES region (code),
    parent         TEXT REFERENCES organization (id),
    referral_phone TEXT NOT NULL,
    address        TEXT NOT NULL,
    active         BOOLEAN NOT NULL,
    version        BIGINT NOT NULL,
    changed_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX organization_name ON organization (name);
CREATE INDEX organization_region ON organization (region);
CREATE INDEX organization_parent ON organization (parent);

CREATE TABLE organization_identifier (
    system TEXT NOT NULL,
    value  TEXT NOT NULL,
    org    TEXT NOT NULL REFERENCES organization (id),
    PRIMARY KEY (system, value)
);
CREATE INDEX organization_identifier_org ON organization_identifier (org);

CREATE TABLE department (
    id             TEXT PRIMARY KEY,
    org            TEXT NOT NULL REFERENCES organization (id),
    name           TEXT NOT NULL,
    specialty      TEXT NOT NULL,
    location       TEXT NOT NULL,
    phone          TEXT NOT NULL,
    daily_capacity BIGINT NOT NULL, -- referred patients a day
    active         BOOLEAN NOT NULL,
    version        BIGINT NOT NULL
);
CREATE UNIQUE INDEX department_name ON department (org, name);

CREATE TABLE healthcare_service (
    id         TEXT PRIMARY KEY,
    org        TEXT NOT NULL REFERENCES organization (id),
    department TEXT NOT NULL REFERENCES department (id),
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    specialty  TEXT NOT NULL,
    min_age    BIGINT NOT NULL, -- whole years
    max_age    BIGINT NOT NULL, -- whole years, inclusive; 0: no limit
    sex        TEXT NOT NULL,   -- GB/T 2261.1, '' for both
    active     BOOLEAN NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX healthcare_service_name ON healthcare_service (department, kind, name);
CREATE INDEX healthcare_service_org ON healthcare_service (org);

-- What a service treats: ICD-10 prefixes, '' for anything.
CREATE TABLE healthcare_service_treats (
    prefix  TEXT NOT NULL,
    service TEXT NOT NULL REFERENCES healthcare_service (id),
    PRIMARY KEY (prefix, service)
);
CREATE INDEX healthcare_service_treats_service ON healthcare_service_treats (service);

-- +goose Down
DROP TABLE healthcare_service_treats;
DROP TABLE healthcare_service;
DROP TABLE department;
DROP TABLE organization_identifier;
DROP TABLE organization;
