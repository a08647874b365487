-- +goose Up

-- Of which sensitive class a resource is ('' none, '?' not looked at yet, which
-- counts as sensitive): class of what it says now, ever of any of its versions.
ALTER TABLE record_resource ADD COLUMN class TEXT NOT NULL DEFAULT '?';
ALTER TABLE record_resource ADD COLUMN ever TEXT NOT NULL DEFAULT '?';

-- By which rules what is kept is classed, and how far; one row.
CREATE TABLE record_class (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    rules   TEXT    NOT NULL, -- digest
    after_n BIGINT  NOT NULL,
    done_at BIGINT
);

-- +goose Down
DROP TABLE record_class;
ALTER TABLE record_resource DROP COLUMN ever;
ALTER TABLE record_resource DROP COLUMN class;
