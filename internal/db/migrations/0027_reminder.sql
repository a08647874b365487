-- +goose Up
-- Reminders of appointments and what the patient answered. One row for each
-- appointment that was reminded of; each answer is a row of its own.
CREATE TABLE reminder (
    referral     TEXT   NOT NULL REFERENCES referral (id),
    appointed_at BIGINT NOT NULL,
    sent_at      BIGINT NOT NULL,
    message      TEXT   NOT NULL, -- id of the message, '' none was sent
    PRIMARY KEY (referral, appointed_at)
);
CREATE TABLE reminder_answer (
    id           TEXT   PRIMARY KEY,
    referral     TEXT   NOT NULL REFERENCES referral (id),
    appointed_at BIGINT NOT NULL,
    answer       TEXT   NOT NULL, -- confirmed, will_not_come, unreachable
    reason       TEXT   NOT NULL, -- code of reminder.reason, '' none
    reason_title TEXT   NOT NULL,
    how          TEXT   NOT NULL, -- phone, in_person, page
    note         TEXT   NOT NULL, -- sealed
    by_org       TEXT   NOT NULL,
    by_id        TEXT   NOT NULL,
    by_name      TEXT   NOT NULL,
    at           BIGINT NOT NULL
);
CREATE INDEX reminder_answer_referral ON reminder_answer (referral, appointed_at, at);

-- +goose Down
DROP TABLE reminder_answer;
DROP TABLE reminder;
