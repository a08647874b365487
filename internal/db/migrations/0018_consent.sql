-- +goose Up
-- What a patient, or who may sign for him, agreed to or refused. Never changed;
-- a mistaken one is voided.
CREATE TABLE consent (
    id          TEXT    PRIMARY KEY,
    patient_id  TEXT    NOT NULL REFERENCES patient (id),
    purpose     TEXT    NOT NULL, -- referral
    reference   TEXT    NOT NULL, -- id of the case it is for
    form        TEXT    NOT NULL, -- written, verbal, electronic
    signed_by   TEXT    NOT NULL, -- self, guardian, authorized, institution_head
    signer      TEXT    NOT NULL,
    relation    TEXT    NOT NULL, -- GB/T 4761; '' for the patient and the head
    document    TEXT    NOT NULL, -- number of the signed paper or of the authorization
    witness     TEXT    NOT NULL, -- second person of a verbal consent
    choices     TEXT    NOT NULL, -- alternatives that were offered, one a line
    refused     BOOLEAN NOT NULL,
    reason      TEXT    NOT NULL, -- code of the refusal
    detail      TEXT    NOT NULL,
    signed_at   BIGINT  NOT NULL,
    recorded_at BIGINT  NOT NULL,
    recorded_by TEXT    NOT NULL,
    voided_at   BIGINT,
    voided_by   TEXT    NOT NULL,
    void_reason TEXT    NOT NULL
);
CREATE INDEX consent_reference ON consent (purpose, reference);
CREATE INDEX consent_patient ON consent (patient_id);

-- +goose Down
DROP TABLE consent;
