-- +goose Up
-- Why an institution may see a patient: written by the module that makes it true.
CREATE TABLE care_relation (
    patient    TEXT   NOT NULL,
    org        TEXT   NOT NULL,
    basis      TEXT   NOT NULL,
    reference  TEXT   NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to   BIGINT,
    PRIMARY KEY (patient, org, basis, reference)
);
CREATE INDEX care_relation_reference ON care_relation (basis, reference);
CREATE INDEX care_relation_org ON care_relation (org, patient);

-- Break-glass: one person, one patient, a short time, a reason.
CREATE TABLE care_break (
    id      TEXT   PRIMARY KEY,
    patient TEXT   NOT NULL,
    account TEXT   NOT NULL,
    org     TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    until   BIGINT NOT NULL
);
CREATE INDEX care_break_patient ON care_break (patient, account);

-- Guardians who are residents themselves and may see a child's data.
CREATE TABLE care_guardian (
    patient  TEXT NOT NULL,
    guardian TEXT NOT NULL,
    valid_to BIGINT,
    PRIMARY KEY (patient, guardian)
);

-- +goose Down
DROP TABLE care_guardian;
DROP TABLE care_break;
DROP TABLE care_relation;
