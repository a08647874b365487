-- +goose Up
-- How many patients an institution sent in a past period, from before the
-- platform or counted by it: what growth is measured against. Voided, never
-- removed. confirmed_at: the bureau has confirmed that a figure of another
-- source may be compared with the platform's.
CREATE TABLE referral_baseline (
    id             TEXT   PRIMARY KEY,
    org            TEXT   NOT NULL,
    direction      TEXT   NOT NULL,
    from_on        TEXT   NOT NULL,
    to_on          TEXT   NOT NULL,
    n              BIGINT NOT NULL,
    source         TEXT   NOT NULL,
    note           TEXT   NOT NULL,
    entered_at     BIGINT NOT NULL,
    entered_by     TEXT   NOT NULL,
    entered_name   TEXT   NOT NULL,
    confirmed_at   BIGINT,
    confirmed_name TEXT   NOT NULL,
    confirm_note   TEXT   NOT NULL,
    voided_at      BIGINT,
    voided_name    TEXT   NOT NULL,
    void_reason    TEXT   NOT NULL
);
CREATE UNIQUE INDEX referral_baseline_live ON referral_baseline (org, direction, from_on) WHERE voided_at IS NULL;

-- Counts narrow by the day of sending and then ask for the case; refusals are
-- found by case and action.
CREATE INDEX flow_event_case_action ON flow_event (case_id, action);

-- +goose Down
DROP INDEX flow_event_case_action;
DROP TABLE referral_baseline;
