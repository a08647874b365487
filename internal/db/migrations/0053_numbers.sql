-- +goose Up

-- The numbers under which systems know people are identities of the master
-- index now; a system states them again with every message.
DROP TABLE exchange_person;

-- +goose Down
CREATE TABLE exchange_person (
    org     TEXT   NOT NULL,
    system  TEXT   NOT NULL,
    number  TEXT   NOT NULL,
    patient TEXT   NOT NULL REFERENCES patient (id),
    set_at  BIGINT NOT NULL,
    set_by  TEXT   NOT NULL,
    PRIMARY KEY (org, system, number)
);
