-- +goose Up
-- Patients that are one person: every pair of a group, both ways round. It is
-- derived from patient_link and rewritten with it. What is asked about a person
-- is asked of the whole group: patient IN (the id itself and its others). No row
-- of an event is ever rewritten, so that parting restores everything.
CREATE TABLE same_person (
    patient TEXT NOT NULL,
    other   TEXT NOT NULL,
    PRIMARY KEY (patient, other)
);

-- The surviving record of the group that a patient belongs to; '' stands for itself.
ALTER TABLE patient ADD COLUMN resident TEXT NOT NULL DEFAULT '';
CREATE INDEX patient_resident ON patient (resident) WHERE resident <> '';

-- What a source stated about a person: a desk of ours, another system under a
-- number of its own, a ward about a newborn, an emergency about somebody unknown.
CREATE TABLE patient_identity (
    id            TEXT   PRIMARY KEY,
    patient_id    TEXT   NOT NULL REFERENCES patient (id),
    kind          TEXT   NOT NULL, -- card, paper, number, newborn, unknown, none
    source        TEXT   NOT NULL, -- institution that stated it; '' before identities were kept
    system        TEXT   NOT NULL, -- namespace of its number; '' without one
    value_index   TEXT,            -- keyed hash of system and number
    stated_sealed TEXT   NOT NULL, -- what was stated; '' while the patient row still says it
    basis         TEXT   NOT NULL, -- registered, number, card, model, human, newborn
    evidence      TEXT   NOT NULL, -- which fields agreed and what each weighed, no values
    mother_id     TEXT,            -- of a newborn
    stated_at     BIGINT NOT NULL,
    stated_by     TEXT   NOT NULL,
    voided_at     BIGINT,
    voided_by     TEXT   NOT NULL,
    void_reason   TEXT   NOT NULL
);
CREATE INDEX patient_identity_patient ON patient_identity (patient_id);
CREATE UNIQUE INDEX patient_identity_value ON patient_identity (value_index) WHERE voided_at IS NULL;

-- Everybody who is registered stated one identity: its id is the patient's.
INSERT INTO patient_identity (id, patient_id, kind, source, system, stated_sealed, basis, evidence, stated_at, stated_by, voided_by, void_reason)
SELECT id, id, CASE WHEN id_type = '01' THEN 'card' WHEN id_type <> '' THEN 'paper' WHEN name LIKE '无名%' THEN 'unknown' ELSE 'none' END,
    '', '', '', 'registered', '', created_at, '', '', '' FROM patient;

-- What came in through an identity that hangs on a patient of other origin, so
-- that it can go with the identity when that turns out to be another person's.
CREATE TABLE patient_through (
    identity_id TEXT   NOT NULL REFERENCES patient_identity (id),
    object      TEXT   NOT NULL,
    object_id   TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (object, object_id)
);
CREATE INDEX patient_through_identity ON patient_through (identity_id);

-- Decisions on pairs: one person or two, by a rule, by the model, by a human.
-- a < b. Ended, never removed; of a pair one decision lives at a time.
CREATE TABLE patient_link (
    id         TEXT   PRIMARY KEY,
    a          TEXT   NOT NULL REFERENCES patient (id),
    b          TEXT   NOT NULL REFERENCES patient (id),
    same       BOOLEAN NOT NULL,
    basis      TEXT   NOT NULL, -- model, human, card
    bits       DOUBLE PRECISION NOT NULL, -- log odds when it was decided
    evidence   TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    decided_at BIGINT NOT NULL,
    decided_by TEXT   NOT NULL,
    ended_at   BIGINT,
    ended_by   TEXT   NOT NULL,
    end_reason TEXT   NOT NULL
);
CREATE UNIQUE INDEX patient_link_live ON patient_link (a, b) WHERE ended_at IS NULL;
CREATE INDEX patient_link_b ON patient_link (b);
CREATE INDEX patient_link_time ON patient_link (decided_at);

-- Pairs that the model leaves to a human.
CREATE TABLE patient_review (
    id         TEXT   PRIMARY KEY,
    a          TEXT   NOT NULL REFERENCES patient (id),
    b          TEXT   NOT NULL REFERENCES patient (id),
    org_a      TEXT   NOT NULL, -- institutions that stated them
    org_b      TEXT   NOT NULL,
    bits       DOUBLE PRECISION NOT NULL,
    evidence   TEXT   NOT NULL,
    found_at   BIGINT NOT NULL,
    later_at   BIGINT NOT NULL, -- put off until; 0 never
    later_note TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    decision   TEXT   NOT NULL, -- '' waiting, same, different
    decided_at BIGINT,
    decided_by TEXT   NOT NULL,
    took_ms    BIGINT -- from seeing the pair to deciding
);
CREATE UNIQUE INDEX patient_review_pair ON patient_review (a, b);
CREATE INDEX patient_review_waiting ON patient_review (later_at, bits) WHERE decision = '';

-- What came in and fits nobody safely: nothing hangs on a person until a human
-- has said where it belongs.
CREATE TABLE patient_unmatched (
    id            TEXT   PRIMARY KEY,
    source        TEXT   NOT NULL,
    system        TEXT   NOT NULL,
    value_index   TEXT,
    stated_sealed TEXT   NOT NULL,
    reason        TEXT   NOT NULL, -- code
    candidates    TEXT   NOT NULL, -- ids with bits and evidence, as found
    object        TEXT   NOT NULL, -- what waits: a message, a row of a file; '' nothing
    object_id     TEXT   NOT NULL,
    found_at      BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    decision      TEXT   NOT NULL, -- '' waiting, attached, registered, rejected
    patient_id    TEXT   REFERENCES patient (id),
    decided_at    BIGINT,
    decided_by    TEXT   NOT NULL,
    note          TEXT   NOT NULL
);
CREATE INDEX patient_unmatched_waiting ON patient_unmatched (found_at) WHERE decision = '';
CREATE INDEX patient_unmatched_value ON patient_unmatched (value_index) WHERE decision = '';

-- Documents that hung on the wrong person: withdrawn there, not amended.
CREATE TABLE patient_withdrawal (
    id           TEXT   PRIMARY KEY,
    object       TEXT   NOT NULL,
    object_id    TEXT   NOT NULL,
    patient_id   TEXT   NOT NULL REFERENCES patient (id),
    to_patient   TEXT   REFERENCES patient (id),
    title        TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    readers      BIGINT NOT NULL, -- how many were told
    withdrawn_at BIGINT NOT NULL,
    withdrawn_by TEXT   NOT NULL
);
CREATE INDEX patient_withdrawal_patient ON patient_withdrawal (patient_id);

-- +goose Down
DROP TABLE patient_withdrawal;
DROP TABLE patient_unmatched;
DROP TABLE patient_review;
DROP TABLE patient_link;
DROP TABLE patient_through;
DROP TABLE patient_identity;
DROP INDEX patient_resident;
ALTER TABLE patient DROP COLUMN resident;
DROP TABLE same_person;
