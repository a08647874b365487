-- +goose Up
-- A filing (备案) is a flow case of the same id. What is filed is read from the
-- register as it was known when the filing was sent (members_known_at), so that
-- a stamped paper never changes.
CREATE TABLE filing (
    id         TEXT PRIMARY KEY REFERENCES flow_case (id),
    alliance   TEXT    NOT NULL REFERENCES alliance (id),
    track      TEXT    NOT NULL, -- formation, change, end
    literal    TEXT    NOT NULL, -- change, cancel: what a major change means (JS-5.3)
    event_on   TEXT    NOT NULL, -- the clock counts from here
    charter    TEXT    NOT NULL, -- version that is filed, '' none yet
    sent_at    BIGINT,           -- last time that it left the lead
    round      BIGINT  NOT NULL, -- how often it was sent
    levels     TEXT    NOT NULL, -- authorities from the first to the province, parted by spaces
    note       TEXT    NOT NULL,
    supersedes TEXT    NOT NULL, -- filing that this one replaces or cancels, '' none
    state      TEXT    NOT NULL, -- open, filed, superseded, cancelled
    filed_at   BIGINT,
    clause     TEXT    NOT NULL
);
CREATE INDEX filing_alliance ON filing (alliance);
CREATE TABLE filing_change (
    filing TEXT NOT NULL REFERENCES filing (id),
    change TEXT NOT NULL REFERENCES alliance_change (id),
    PRIMARY KEY (change)
);
CREATE INDEX filing_change_filing ON filing_change (filing);
-- What each level did: its stamp, or why it gave the filing back.
CREATE TABLE filing_stamp (
    id       TEXT PRIMARY KEY,
    filing   TEXT   NOT NULL REFERENCES filing (id),
    round    BIGINT NOT NULL,
    level    TEXT   NOT NULL,
    org      TEXT   NOT NULL,
    org_name TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    number   TEXT   NOT NULL, -- receipt number of that level
    passed   BOOLEAN NOT NULL,
    field    TEXT   NOT NULL, -- part that is wrong, when given back
    reason   TEXT   NOT NULL
);
CREATE INDEX filing_stamp_filing ON filing_stamp (filing, at);

-- +goose Down
DROP TABLE filing_stamp;
DROP TABLE filing_change;
DROP TABLE filing;
