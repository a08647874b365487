-- +goose Up
-- What a down-referral has beyond a referral: the continue-treatment plan
-- (sealed), and the attending doctor who goes on guiding (LL-4.4.1c).
CREATE TABLE referral_down (
    referral       TEXT   PRIMARY KEY REFERENCES referral (id),
    plan           TEXT   NOT NULL,
    until_on       TEXT   NOT NULL, -- last day of the plan, '' open
    attending      TEXT   NOT NULL, -- practitioner id
    attending_name TEXT   NOT NULL,
    attending_org  TEXT   NOT NULL,
    chased_at      BIGINT           -- when the chase for a missing patient began
);
CREATE INDEX referral_down_attending ON referral_down (attending_org, attending);

-- Follow-up dates of the plan; done_at is the entry that kept them.
CREATE TABLE referral_down_date (
    referral TEXT   NOT NULL REFERENCES referral (id),
    due_on   TEXT   NOT NULL,
    done_at  BIGINT,
    PRIMARY KEY (referral, due_on)
);

-- What the receiver writes while the plan runs: follow-ups and questions.
CREATE TABLE referral_follow (
    id       TEXT    PRIMARY KEY,
    referral TEXT    NOT NULL REFERENCES referral (id),
    at       BIGINT  NOT NULL,
    by_id    TEXT    NOT NULL,
    by_name  TEXT    NOT NULL,
    org_name TEXT    NOT NULL,
    red_flag BOOLEAN NOT NULL,
    question TEXT    NOT NULL, -- id of the question case that asks the attending, '' none
    body     TEXT    NOT NULL, -- sealed: vitals, text, question, answer
    visit    BOOLEAN NOT NULL  -- a follow-up, not a question alone
);
CREATE INDEX referral_follow_referral ON referral_follow (referral, at);
CREATE INDEX referral_follow_question ON referral_follow (question);

-- In-patients whom the ward has marked as fit to be sent down.
CREATE TABLE referral_down_fit (
    referral    TEXT   PRIMARY KEY REFERENCES referral (id),
    indications TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    by_name     TEXT   NOT NULL
);

-- What a centre has declared that it can take.
CREATE TABLE down_capability (
    org        TEXT    PRIMARY KEY,
    version    BIGINT  NOT NULL,
    beds       BOOLEAN NOT NULL,
    skills     TEXT    NOT NULL, -- codes of referral.reason.down, separated by spaces
    medicines  TEXT    NOT NULL, -- one name a line
    changed_at BIGINT  NOT NULL,
    changed_by TEXT    NOT NULL
);

-- One-time links for institutions without the system. Only the digest of the
-- token is kept.
CREATE TABLE referral_link (
    id         TEXT   PRIMARY KEY,
    referral   TEXT   NOT NULL REFERENCES referral (id),
    token      TEXT   NOT NULL UNIQUE,
    contact    TEXT   NOT NULL, -- who at the other side gets it
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX referral_link_referral ON referral_link (referral);

-- +goose Down
DROP TABLE referral_link;
DROP TABLE down_capability;
DROP TABLE referral_down_fit;
DROP TABLE referral_follow;
DROP TABLE referral_down_date;
DROP TABLE referral_down;
