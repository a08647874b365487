-- +goose Up
-- Every content of a profile that this installation ever answered from or was
-- offered, by its digest. Decisions name profile and version; the text that
-- they rested on stays here. Never changed, never deleted.
CREATE TABLE policy_version (
    profile  TEXT   NOT NULL,
    version  TEXT   NOT NULL,
    title    TEXT   NOT NULL,
    clauses  BIGINT NOT NULL,
    files    TEXT   NOT NULL, -- JSON: file name to text
    origin   TEXT   NOT NULL, -- shipped, folder, uploaded
    at       BIGINT NOT NULL,
    account  TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    PRIMARY KEY (profile, version)
);

-- What was put in force and when: the newest row of a profile counts.
CREATE TABLE policy_activation (
    id       TEXT   PRIMARY KEY,
    profile  TEXT   NOT NULL,
    version  TEXT   NOT NULL, -- '' when it was withdrawn and nothing took its place
    action   TEXT   NOT NULL, -- loaded (by a start), activated, withdrawn
    at       BIGINT NOT NULL,
    account  TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    reason   TEXT   NOT NULL,
    once     TEXT   UNIQUE
);
CREATE INDEX policy_activation_profile ON policy_activation (profile, at);

-- +goose Down
DROP TABLE policy_activation;
DROP TABLE policy_version;
