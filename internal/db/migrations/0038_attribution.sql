-- +goose Up
-- Who answers for a resident on a day: the cell where he lives, the team he has
-- signed with, the alliance that pays for him wherever he goes. A new row begins
-- when one of them changes; rows are closed, never changed otherwise, so that
-- what was paid by an old attribution can be counted again.
CREATE TABLE attribution (
    patient     TEXT   NOT NULL REFERENCES patient (id),
    from_on     TEXT   NOT NULL,
    to_on       TEXT   NOT NULL, -- last day, inclusive; '' open
    cell        TEXT   NOT NULL, -- town of residence, '' unknown
    centre      TEXT   NOT NULL, -- primary institution of the cell, '' none
    team        TEXT   NOT NULL, -- contract_team, '' not signed
    alliance    TEXT   NOT NULL, -- '' none
    basis       TEXT   NOT NULL, -- contract or residence: what the alliance follows from; '' none
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (patient, from_on)
);
CREATE UNIQUE INDEX attribution_open ON attribution (patient) WHERE to_on = '';
CREATE INDEX attribution_alliance ON attribution (alliance, from_on);
CREATE INDEX attribution_cell ON attribution (cell, from_on);

-- +goose Down
DROP TABLE attribution;
