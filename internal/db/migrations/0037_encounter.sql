-- +goose Up
-- Visits and stays as facts that are counted and paid. One row a version: a
-- corrected fact keeps what it was. Amounts are fen; NULL says that the source
-- did not state one, which is not zero.
CREATE TABLE encounter (
    id              TEXT    NOT NULL,
    version         BIGINT  NOT NULL,
    current         BOOLEAN NOT NULL, -- the newest version
    patient         TEXT    REFERENCES patient (id), -- NULL: nobody in the index
    org             TEXT    REFERENCES organization (id), -- NULL: an institution outside the register
    outside_code    TEXT    NOT NULL, -- of an institution outside: insurance code, '' unknown
    outside_name    TEXT    NOT NULL,
    outside_region  TEXT    NOT NULL, -- GB/T 2260, '' unknown
    class           TEXT    NOT NULL,
    started_at      BIGINT  NOT NULL,
    ended_at        BIGINT,
    counted_on      TEXT    NOT NULL, -- business day it counts on; '' a stay that goes on
    department      TEXT    NOT NULL, -- as the source names it
    doctor          TEXT    NOT NULL,
    first_contact   TEXT    NOT NULL, -- yes, no, '' not stated
    first_by        TEXT    NOT NULL, -- definition that first_contact follows
    leave_way       TEXT    NOT NULL, -- CV06.00.226, '' not stated
    referral        TEXT    NOT NULL, -- case it came from, '' none
    insurance_kind  TEXT    NOT NULL,
    insurance_place TEXT    NOT NULL,
    total_fen       BIGINT,
    fund_fen        BIGINT, -- sum of encounter_fund
    own_fen         BIGINT,
    visits          BIGINT  NOT NULL, -- 1, or more for a row of counts
    clinical        BOOLEAN NOT NULL, -- a clinical record stands behind it
    source          TEXT    NOT NULL,
    source_key      TEXT    NOT NULL, -- of the visit in the source
    source_ref      TEXT    NOT NULL, -- message, file and row, page
    recorded_at     BIGINT  NOT NULL,
    recorded_by     TEXT    NOT NULL,
    change_reason   TEXT    NOT NULL, -- why this version replaced the one before
    voided_at       BIGINT,
    voided_by       TEXT    NOT NULL,
    void_reason     TEXT    NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE UNIQUE INDEX encounter_source ON encounter (source, source_key) WHERE current AND voided_at IS NULL;
CREATE UNIQUE INDEX encounter_current ON encounter (id) WHERE current;
CREATE INDEX encounter_patient ON encounter (patient, started_at) WHERE current;
CREATE INDEX encounter_counted ON encounter (org, counted_on, class) WHERE current;
CREATE INDEX encounter_outside ON encounter (counted_on, class) WHERE current AND org IS NULL;
CREATE INDEX encounter_referral ON encounter (referral) WHERE current AND referral <> '';

-- Diagnoses, the main one first (n = 0), as the clinical edition of ICD-10 and
-- as the insurance edition name them.
CREATE TABLE encounter_diagnosis (
    encounter      TEXT    NOT NULL,
    version        BIGINT  NOT NULL,
    n              BIGINT  NOT NULL,
    clinical_code  TEXT    NOT NULL,
    clinical_name  TEXT    NOT NULL,
    insurance_code TEXT    NOT NULL,
    insurance_name TEXT    NOT NULL,
    known          BOOLEAN NOT NULL, -- the insurance code is in the edition we hold
    PRIMARY KEY (encounter, version, n)
);

-- What each fund paid.
CREATE TABLE encounter_fund (
    encounter  TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    amount_fen BIGINT NOT NULL,
    PRIMARY KEY (encounter, version, kind)
);

-- What was charged, by the classes of the settlement list.
CREATE TABLE encounter_fee (
    encounter  TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    class      TEXT   NOT NULL,
    amount_fen BIGINT NOT NULL,
    PRIMARY KEY (encounter, version, class)
);

-- +goose Down
DROP TABLE encounter_fee;
DROP TABLE encounter_fund;
DROP TABLE encounter_diagnosis;
DROP TABLE encounter;
