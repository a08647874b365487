-- +goose Up
-- Referrals of a disease that stands on a first-visit list (SMX-4.4.3b), with
-- the coded reason; the words stand sealed in the request itself.
CREATE TABLE first_visit_override (
    id           TEXT   PRIMARY KEY,
    referral     TEXT   NOT NULL REFERENCES referral (id),
    level        TEXT   NOT NULL, -- township, county
    entry        TEXT   NOT NULL, -- code of the list
    clause       TEXT   NOT NULL,
    org          TEXT   NOT NULL,
    org_name     TEXT   NOT NULL,
    doctor       TEXT   NOT NULL,
    doctor_name  TEXT   NOT NULL,
    regions      TEXT   NOT NULL, -- whose rules bound it, specific first
    reason       TEXT   NOT NULL,
    reason_title TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    on_day       TEXT   NOT NULL,
    voided_at    BIGINT
);
CREATE UNIQUE INDEX first_visit_override_live ON first_visit_override (referral) WHERE voided_at IS NULL;
CREATE INDEX first_visit_override_org ON first_visit_override (org, on_day);

-- +goose Down
DROP TABLE first_visit_override;
