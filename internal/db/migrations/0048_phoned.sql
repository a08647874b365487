-- +goose Up
-- Referrals that were telephoned in (电话代录): beside the referral a small flow
-- case in which the caller's institution confirms or corrects what was entered.
CREATE TABLE referral_phoned (
    id         TEXT   PRIMARY KEY REFERENCES flow_case (id), -- the check
    referral   TEXT   NOT NULL UNIQUE REFERENCES referral (id),
    from_org   TEXT   NOT NULL,
    clerk_org  TEXT   NOT NULL,
    clerk_name TEXT   NOT NULL,
    called_at  BIGINT NOT NULL,
    entered_at BIGINT NOT NULL,
    detail     TEXT   NOT NULL -- sealed: who phoned, from which number, what was read back, the correction
);
CREATE INDEX referral_phoned_from ON referral_phoned (from_org, entered_at);
CREATE INDEX referral_phoned_clerk ON referral_phoned (clerk_org, entered_at);

-- The estimate of the patient's share as printed on a certificate; '' none.
ALTER TABLE certificate ADD COLUMN estimate TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE certificate DROP COLUMN estimate;
DROP TABLE referral_phoned;
