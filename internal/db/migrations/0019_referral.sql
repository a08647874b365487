-- +goose Up
-- A referral is a flow case (same id) with its clinical content. Free clinical
-- text is sealed; codes that are counted or searched are not.
CREATE TABLE referral (
    id                 TEXT    PRIMARY KEY REFERENCES flow_case (id),
    patient            TEXT    NOT NULL,
    direction          TEXT    NOT NULL,
    visit              TEXT    NOT NULL,
    purpose            TEXT    NOT NULL,
    indications        TEXT    NOT NULL,
    diagnosis_code     TEXT    NOT NULL,
    diagnosis_name     TEXT    NOT NULL,
    target_service     TEXT    NOT NULL,
    target_phone       TEXT    NOT NULL,
    -- patient and 3-character ICD while the referral is under way: one only.
    under_way          TEXT    NOT NULL,
    consent            TEXT    NOT NULL,
    contract_team      TEXT    NOT NULL,
    contracted         BOOLEAN NOT NULL,
    decided_under      TEXT    NOT NULL,
    clauses            TEXT    NOT NULL,
    request            TEXT    NOT NULL,
    advice             TEXT    NOT NULL,
    submitted_at       BIGINT,
    submitted_on       TEXT    NOT NULL,
    waited_ms          BIGINT  NOT NULL,
    accepted_at        BIGINT,
    declined           BOOLEAN NOT NULL,
    appointed_at       BIGINT,
    appointed_on       TEXT    NOT NULL,
    department         TEXT    NOT NULL,
    doctor             TEXT    NOT NULL,
    doctor_name        TEXT    NOT NULL,
    location           TEXT    NOT NULL,
    phone              TEXT    NOT NULL,
    code_org           TEXT    NOT NULL,
    code               TEXT    NOT NULL,
    wrong_codes        BIGINT  NOT NULL,
    arrived_at         BIGINT,
    arrived_by         TEXT    NOT NULL,
    arrived_how        TEXT    NOT NULL,
    started_at         BIGINT,
    attending          TEXT    NOT NULL,
    attending_name     TEXT    NOT NULL,
    care               TEXT    NOT NULL,
    expected_discharge TEXT    NOT NULL,
    result_code        TEXT    NOT NULL,
    result_name        TEXT    NOT NULL,
    report             TEXT    NOT NULL,
    completed_at       BIGINT,
    result             TEXT    NOT NULL,
    reviewer           TEXT    NOT NULL,
    -- the open request to cancel after care has begun, sealed
    cancel_request     TEXT    NOT NULL
);
CREATE INDEX referral_patient ON referral (patient);
CREATE INDEX referral_submitted ON referral (submitted_on);
CREATE INDEX referral_department ON referral (department, appointed_on);
CREATE UNIQUE INDEX referral_under_way ON referral (under_way) WHERE under_way <> '';
CREATE UNIQUE INDEX referral_code ON referral (code_org, code) WHERE code <> '';

CREATE TABLE referral_question (
    id            TEXT   PRIMARY KEY,
    referral      TEXT   NOT NULL REFERENCES referral (id),
    asked_at      BIGINT NOT NULL,
    asked_by      TEXT   NOT NULL,
    asked_name    TEXT   NOT NULL,
    asked_org     TEXT   NOT NULL,
    question      TEXT   NOT NULL,
    answered_at   BIGINT,
    answered_by   TEXT   NOT NULL,
    answered_name TEXT   NOT NULL,
    answer        TEXT   NOT NULL
);
CREATE INDEX referral_question_referral ON referral_question (referral, asked_at);

CREATE TABLE referral_note (
    id       TEXT   PRIMARY KEY,
    referral TEXT   NOT NULL REFERENCES referral (id),
    at       BIGINT NOT NULL,
    by_id    TEXT   NOT NULL,
    by_name  TEXT   NOT NULL,
    org_name TEXT   NOT NULL,
    body     TEXT   NOT NULL
);
CREATE INDEX referral_note_referral ON referral_note (referral, at);

-- +goose Down
DROP TABLE referral_note;
DROP TABLE referral_question;
DROP TABLE referral;
