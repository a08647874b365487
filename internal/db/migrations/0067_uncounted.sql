-- +goose Up
-- Visits that a system has sent and that are kept in the record without being
-- counted, each with the reason as it stands now; gone when the visit is counted
-- or deleted. id is that of the Encounter.
CREATE TABLE encounter_uncounted (
    id      TEXT   NOT NULL PRIMARY KEY,
    org     TEXT   NOT NULL, -- institution whose system has sent it
    client  TEXT   NOT NULL,
    patient TEXT   NOT NULL, -- '' nobody known
    number  TEXT   NOT NULL, -- the institution's own number of the visit, '' none
    started TEXT   NOT NULL, -- as it was written
    reason  TEXT   NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX encounter_uncounted_org ON encounter_uncounted (org, at, id);
CREATE INDEX encounter_uncounted_number ON encounter_uncounted (number, org) WHERE number <> '';

-- +goose Down
DROP TABLE encounter_uncounted;
