-- +goose Up
-- Persons. A patient belongs to no institution: there is no institution column;
-- who may see whom stands in care_relation.
CREATE TABLE patient (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    sex             TEXT NOT NULL,   -- GB/T 2261.1
    birth_date      TEXT NOT NULL,
    id_type         TEXT NOT NULL,   -- CV02.01.101; '' without a paper
    id_sealed       TEXT NOT NULL,   -- '' without a number
    id_index        TEXT,            -- keyed hash of type and number
    id_tail         TEXT,            -- keyed hash of the last four
    phone_sealed    TEXT NOT NULL,
    phone_index     TEXT,
    phone_tail      TEXT,
    safe_sealed     TEXT NOT NULL,   -- safe contact's phone
    safe_how        TEXT NOT NULL,   -- who answers there and what may be said
    address         TEXT NOT NULL,
    region          TEXT NOT NULL,   -- village code of residence; '' unknown
    ethnic          TEXT NOT NULL,   -- GB/T 3304
    insurance_kind  TEXT NOT NULL,
    insurance_place TEXT NOT NULL,   -- region code of the pool; '' unknown
    deceased_on     TEXT NOT NULL,   -- '' living
    version         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    changed_at      BIGINT NOT NULL,
    changed_by      TEXT NOT NULL    -- display name and institution, for the answer to a stale edit
);
CREATE UNIQUE INDEX patient_id_number ON patient (id_index);
CREATE INDEX patient_id_tail ON patient (id_tail);
CREATE INDEX patient_phone ON patient (phone_index);
CREATE INDEX patient_phone_tail ON patient (phone_tail);
CREATE INDEX patient_birth ON patient (birth_date, name);

-- What names are found by: the name, the given name, spellings, initials. The
-- town comes first in one order (neighbours first) and not in the other, so
-- that either search stops after its first rows, however frequent the prefix.
CREATE TABLE patient_token (
    token      TEXT   NOT NULL,
    town       TEXT   NOT NULL, -- town code, '' unknown
    born       BIGINT NOT NULL, -- year
    patient_id TEXT   NOT NULL,
    PRIMARY KEY (town, token, born, patient_id)
);
CREATE INDEX patient_token_anywhere ON patient_token (token, born, patient_id);

-- Family and guardians; a relative may or may not be a registered person.
CREATE TABLE patient_relation (
    id           TEXT    PRIMARY KEY,
    patient_id   TEXT    NOT NULL REFERENCES patient (id),
    kind         TEXT    NOT NULL, -- GB/T 4761: what the other is to the patient
    other_id     TEXT    REFERENCES patient (id),
    name         TEXT    NOT NULL,
    phone_sealed TEXT    NOT NULL,
    guardian     BOOLEAN NOT NULL,
    household    BOOLEAN NOT NULL,
    from_on      TEXT    NOT NULL,
    to_on        TEXT    NOT NULL, -- '' lasting
    end_reason   TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    created_by   TEXT    NOT NULL
);
CREATE INDEX patient_relation_patient ON patient_relation (patient_id);
CREATE INDEX patient_relation_other ON patient_relation (other_id);

-- Sensitive labels; voided, never removed.
CREATE TABLE patient_label (
    id          TEXT   PRIMARY KEY,
    patient_id  TEXT   NOT NULL REFERENCES patient (id),
    label       TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    set_at      BIGINT NOT NULL,
    set_by      TEXT   NOT NULL,
    voided_at   BIGINT,
    voided_by   TEXT   NOT NULL,
    void_reason TEXT   NOT NULL
);
CREATE INDEX patient_label_patient ON patient_label (patient_id);
CREATE UNIQUE INDEX patient_label_live ON patient_label (patient_id, label) WHERE voided_at IS NULL;

-- +goose Down
DROP TABLE patient_label;
DROP TABLE patient_relation;
DROP TABLE patient_token;
DROP TABLE patient;
