-- +goose Up
-- Who answers when an alliance is dissolved by order (LL-4.5.1): kept with the
-- change that ended it, never touched again.
CREATE TABLE alliance_liable (
    change   TEXT   NOT NULL REFERENCES alliance_change (id),
    place    BIGINT NOT NULL, -- order on the paper
    duty     TEXT   NOT NULL, -- cases, documents, held
    name     TEXT   NOT NULL,
    position TEXT   NOT NULL, -- institution and post
    PRIMARY KEY (change, place)
);

-- +goose Down
DROP TABLE alliance_liable;
