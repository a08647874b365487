-- +goose Up
-- Whom a hospital calls in a rescue lane, in order ('' is every other emergency).
CREATE TABLE rescue_list (
    org        TEXT   NOT NULL,
    lane       TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    entries    TEXT   NOT NULL, -- JSON list: practitioner, department or role, and phone
    changed_at BIGINT NOT NULL,
    changed_by TEXT   NOT NULL,
    PRIMARY KEY (org, lane)
);

-- What an emergency has beyond a referral. Clinical parts are sealed.
CREATE TABLE referral_emergency (
    referral          TEXT    PRIMARY KEY REFERENCES referral (id),
    lane              TEXT    NOT NULL,
    reason            TEXT    NOT NULL,
    back_entry        BOOLEAN NOT NULL, -- 补录: the patient had arrived before it was written
    sent_at           BIGINT  NOT NULL,
    round             BIGINT  NOT NULL, -- rises with every diversion
    alerted_at        BIGINT,           -- when the people of this round were first called
    step              BIGINT  NOT NULL, -- how far the alarm has climbed: 1 on call, 2 next, 3 everybody
    acknowledged_at   BIGINT,
    acknowledged_by   TEXT    NOT NULL,
    acknowledged_name TEXT    NOT NULL,
    acknowledged_how  TEXT    NOT NULL, -- platform, or how the other side confirmed
    waited_ms         BIGINT,           -- from sending to the first confirmation
    consent_case      TEXT    NOT NULL, -- the task of the consent that is still missing
    detail            TEXT    NOT NULL,
    handover          TEXT    NOT NULL
);

-- Who was alerted, when: one row for a person or a role.
CREATE TABLE referral_alert (
    id       TEXT   PRIMARY KEY,
    referral TEXT   NOT NULL REFERENCES referral (id),
    round    BIGINT NOT NULL,
    step     BIGINT NOT NULL,
    at       BIGINT NOT NULL,
    org      TEXT   NOT NULL,
    person   TEXT   NOT NULL,
    role     TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    phone    TEXT   NOT NULL
);
CREATE INDEX referral_alert_referral ON referral_alert (referral, round, step);
CREATE INDEX referral_alert_person ON referral_alert (org, person, role);

-- Telephone calls of the sender, one click each.
CREATE TABLE referral_call (
    id       TEXT   PRIMARY KEY,
    referral TEXT   NOT NULL REFERENCES referral (id),
    at       BIGINT NOT NULL,
    name     TEXT   NOT NULL,
    phone    TEXT   NOT NULL,
    result   TEXT   NOT NULL,
    by_name  TEXT   NOT NULL
);
CREATE INDEX referral_call_referral ON referral_call (referral, at);

-- +goose Down
DROP TABLE referral_call;
DROP TABLE referral_alert;
DROP TABLE referral_emergency;
DROP TABLE rescue_list;
