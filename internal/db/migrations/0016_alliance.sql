-- +goose Up
CREATE TABLE alliance (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    kind    TEXT NOT NULL,
    region  TEXT NOT NULL REFERENCES region (code),
    profile TEXT NOT NULL, -- policy profile it was founded under
    clause  TEXT NOT NULL
);

-- Who belongs to an alliance when (valid_*: business days, both inclusive) and
-- since when the register has said so (known_*: instants). A correction closes
-- known_to of the old row and inserts a new one; nothing else is ever updated.
CREATE TABLE alliance_membership (
    id         TEXT PRIMARY KEY,
    alliance   TEXT NOT NULL REFERENCES alliance (id),
    org        TEXT NOT NULL REFERENCES organization (id),
    role       TEXT NOT NULL,
    plate      TEXT NOT NULL, -- added plate, '' when none (LL-4.3.1)
    clause     TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to   TEXT,
    known_from BIGINT NOT NULL,
    known_to   BIGINT,
    known_by   TEXT NOT NULL, -- display name of who recorded it
    reason     TEXT NOT NULL
);
CREATE INDEX alliance_membership_alliance ON alliance_membership (alliance);
CREATE INDEX alliance_membership_org ON alliance_membership (org);

-- Which institution builds up which other one (LL-4.2), dated in the same way.
CREATE TABLE alliance_support (
    id         TEXT PRIMARY KEY,
    supporter  TEXT NOT NULL REFERENCES organization (id),
    supported  TEXT NOT NULL REFERENCES organization (id),
    focus      TEXT NOT NULL,
    clause     TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to   TEXT,
    known_from BIGINT NOT NULL,
    known_to   BIGINT,
    known_by   TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX alliance_support_supporter ON alliance_support (supporter);
CREATE INDEX alliance_support_supported ON alliance_support (supported);

-- +goose Down
DROP TABLE alliance_support;
DROP TABLE alliance_membership;
DROP TABLE alliance;
