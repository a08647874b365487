-- +goose Up
-- Openings of what is hidden by default: to one person, for a short time, with
-- the reason that was given.
CREATE TABLE care_open (
    id      TEXT   PRIMARY KEY,
    patient TEXT   NOT NULL,
    account TEXT   NOT NULL,
    org     TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    until   BIGINT NOT NULL
);
CREATE INDEX care_open_patient ON care_open (patient, account, until);

-- What a privacy officer has to look at afterwards: a record opened without a
-- relation. id is the flow case; object the opening (care_break).
CREATE TABLE disclosure (
    id      TEXT   PRIMARY KEY REFERENCES flow_case (id),
    object  TEXT   NOT NULL UNIQUE,
    patient TEXT   NOT NULL,
    account TEXT   NOT NULL,
    name    TEXT   NOT NULL, -- of who opened, as it stood then
    org     TEXT   NOT NULL,
    reason  TEXT   NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX disclosure_at ON disclosure (at);

-- +goose Down
DROP TABLE disclosure;
DROP TABLE care_open;
