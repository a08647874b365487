-- +goose Up
-- Telephone calls of an institution. Whom and what they were about is sealed.
CREATE TABLE call_log (
    id       TEXT   PRIMARY KEY,
    org      TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    case_id  TEXT   NOT NULL, -- '' when about no case
    number   TEXT   NOT NULL,
    outgoing BOOLEAN NOT NULL,
    with_org TEXT   NOT NULL,
    detail   TEXT   NOT NULL, -- sealed: person, phone, purpose, result
    by_id    TEXT   NOT NULL,
    by_name  TEXT   NOT NULL,
    once     TEXT   NOT NULL UNIQUE,
    entered_at BIGINT NOT NULL
);
CREATE INDEX call_log_org ON call_log (org, at);
CREATE INDEX call_log_case ON call_log (case_id);

-- The hand-over book: written by one shift, taken over by the next.
CREATE TABLE call_handover (
    id          TEXT   PRIMARY KEY,
    org         TEXT   NOT NULL,
    from_at     BIGINT NOT NULL,
    to_at       BIGINT NOT NULL,
    body        TEXT   NOT NULL, -- sealed: text and the open cases as they stood
    items       BIGINT NOT NULL,
    written_by  TEXT   NOT NULL,
    written_name TEXT  NOT NULL,
    written_at  BIGINT NOT NULL,
    taken_by    TEXT   NOT NULL,
    taken_name  TEXT   NOT NULL,
    taken_at    BIGINT,
    remark      TEXT   NOT NULL,
    once        TEXT   NOT NULL UNIQUE
);
CREATE INDEX call_handover_org ON call_handover (org, written_at);

-- Test calls of the published referral phones (LL-4.3.4c).
CREATE TABLE call_test (
    id      TEXT    PRIMARY KEY,
    org     TEXT    NOT NULL, -- whose phone
    month   TEXT    NOT NULL, -- YYYY-MM
    phone   TEXT    NOT NULL,
    at      BIGINT  NOT NULL,
    by_id   TEXT    NOT NULL,
    by_name TEXT    NOT NULL,
    by_org  TEXT    NOT NULL,
    reached BOOLEAN NOT NULL,
    note    TEXT    NOT NULL,
    once    TEXT    NOT NULL UNIQUE
);
CREATE INDEX call_test_org ON call_test (org, at);

-- Referral certificates for the insurance (LL-4.3.4d); voided, never removed.
CREATE TABLE certificate (
    id             TEXT   PRIMARY KEY,
    number         TEXT   NOT NULL UNIQUE,
    referral       TEXT   NOT NULL,
    case_number    TEXT   NOT NULL,
    patient        TEXT   NOT NULL,
    subject        TEXT   NOT NULL,
    org            TEXT   NOT NULL,
    org_name       TEXT   NOT NULL,
    from_org       TEXT   NOT NULL,
    to_org         TEXT   NOT NULL,
    from_name      TEXT   NOT NULL,
    to_name        TEXT   NOT NULL,
    insurance      TEXT   NOT NULL,
    place          TEXT   NOT NULL,
    place_name     TEXT   NOT NULL,
    issued_on      TEXT   NOT NULL,
    valid_to       TEXT   NOT NULL,
    clauses        TEXT   NOT NULL,
    policy         TEXT   NOT NULL,
    settlement     TEXT   NOT NULL,
    issued_by      TEXT   NOT NULL,
    issued_name    TEXT   NOT NULL,
    issued_at      BIGINT NOT NULL,
    voided_at      BIGINT,
    voided_name    TEXT   NOT NULL,
    void_reason    TEXT   NOT NULL
);
CREATE UNIQUE INDEX certificate_live ON certificate (referral) WHERE voided_at IS NULL;
CREATE INDEX certificate_org ON certificate (org, issued_at);

-- One counter of certificates for each business date.
CREATE TABLE certificate_number (
    day TEXT   PRIMARY KEY,
    n   BIGINT NOT NULL
);

-- +goose Down
DROP TABLE certificate_number;
DROP TABLE certificate;
DROP TABLE call_test;
DROP TABLE call_handover;
DROP TABLE call_log;
