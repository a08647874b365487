-- +goose Up
-- Plain messages to patients, and notices to staff.

CREATE TABLE message (
    id           TEXT PRIMARY KEY,
    patient      TEXT NOT NULL,
    to_sealed    TEXT NOT NULL,                 -- contact, sealed; '' none
    to_masked    TEXT NOT NULL,                 -- 138****1234
    contact_key  TEXT NOT NULL,                 -- keyed hash of the contact
    body         TEXT NOT NULL,                 -- no diagnosis, no department name
    case_ref     TEXT NOT NULL DEFAULT '',
    dedupe       TEXT NOT NULL UNIQUE,          -- one change of state, one message
    channel      TEXT NOT NULL DEFAULT '',      -- what delivered it
    state        TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'failed', 'stopped')),
    reason       TEXT NOT NULL DEFAULT '',      -- why it failed or was stopped, Chinese
    attempts     BIGINT NOT NULL DEFAULT 0,
    round        BIGINT NOT NULL DEFAULT 0,     -- rises with every resend
    created_at   BIGINT NOT NULL,
    delivered_at BIGINT
);
CREATE INDEX message_by_patient ON message (patient, id);
CREATE INDEX message_by_case ON message (case_ref, id);

-- The institutions whose staff see a message: the sides of its case.
CREATE TABLE message_org (
    org     TEXT NOT NULL,
    message TEXT NOT NULL REFERENCES message (id),
    PRIMARY KEY (org, message)
);

-- Contacts at which messages keep failing: nothing more is sent there until
-- somebody has checked the number.
CREATE TABLE message_contact (
    contact_key TEXT PRIMARY KEY,
    failures    BIGINT NOT NULL,
    stopped_at  BIGINT
);

CREATE TABLE message_notice (
    id         TEXT PRIMARY KEY,
    account    TEXT NOT NULL,                   -- '' when addressed to a post
    org        TEXT NOT NULL,
    role       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    body       TEXT NOT NULL,
    link       TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX message_notice_by_account ON message_notice (account, created_at);
CREATE INDEX message_notice_by_post ON message_notice (org, role, created_at);

CREATE TABLE message_notice_read (
    account TEXT NOT NULL,
    notice  TEXT NOT NULL REFERENCES message_notice (id),
    read_at BIGINT NOT NULL,
    PRIMARY KEY (account, notice)
);

-- +goose Down
DROP TABLE message_notice_read;
DROP TABLE message_notice;
DROP TABLE message_contact;
DROP TABLE message_org;
DROP TABLE message;
