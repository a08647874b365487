-- +goose Up
-- Charters (章程) and agreements of alliances, one row a version. An adopted one
-- is never changed again.
CREATE TABLE charter (
    id         TEXT PRIMARY KEY,
    alliance   TEXT   NOT NULL REFERENCES alliance (id),
    number     BIGINT NOT NULL,
    state      TEXT   NOT NULL, -- draft, adopted, superseded
    adopted_on TEXT,
    basis      TEXT   NOT NULL, -- decision that adopted it
    version    BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT   NOT NULL,
    UNIQUE (alliance, number)
);
CREATE TABLE charter_part (
    charter TEXT NOT NULL REFERENCES charter (id),
    code    TEXT NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (charter, code)
);
-- The benefit split: what a party gets of a surplus or bears of a deficit, in
-- basis points. The paragraph of the charter is written from these rows.
CREATE TABLE charter_share (
    charter TEXT   NOT NULL REFERENCES charter (id),
    pool    TEXT   NOT NULL, -- surplus, deficit
    party   TEXT   NOT NULL, -- lead, township, village, reserve, or an institution
    title   TEXT   NOT NULL,
    points  BIGINT NOT NULL,
    place   BIGINT NOT NULL, -- order in the text
    PRIMARY KEY (charter, pool, party)
);

-- Organs of an alliance with their posts.
CREATE TABLE organ (
    id             TEXT PRIMARY KEY,
    alliance       TEXT NOT NULL REFERENCES alliance (id),
    code           TEXT NOT NULL, -- council, office, management_committee ...
    title          TEXT NOT NULL,
    established_on TEXT NOT NULL,
    term_from      TEXT,
    term_to        TEXT,          -- last day of the term
    ended_on       TEXT,
    basis          TEXT NOT NULL,
    term_case      TEXT NOT NULL  -- open reminder case, '' none
);
CREATE INDEX organ_alliance ON organ (alliance, code);
CREATE TABLE organ_seat (
    id         TEXT PRIMARY KEY,
    organ      TEXT NOT NULL REFERENCES organ (id),
    post       TEXT NOT NULL, -- chair, member, director, deputy, contact, head
    name       TEXT NOT NULL,
    org        TEXT NOT NULL, -- institution whose person it is, '' none
    org_name   TEXT NOT NULL,
    position   TEXT NOT NULL, -- what he is there
    valid_from TEXT NOT NULL,
    valid_to   TEXT,
    basis      TEXT NOT NULL,
    by_name    TEXT NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX organ_seat_organ ON organ_seat (organ);

CREATE TABLE meeting (
    id       TEXT PRIMARY KEY,
    organ    TEXT   NOT NULL REFERENCES organ (id),
    title    TEXT   NOT NULL,
    held_on  TEXT   NOT NULL,
    place    TEXT   NOT NULL,
    chair    TEXT   NOT NULL,
    agenda   TEXT   NOT NULL, -- a line an item
    members  BIGINT NOT NULL, -- seats on that day
    present  TEXT   NOT NULL, -- names, a line each
    attended BIGINT NOT NULL,
    minutes  TEXT   NOT NULL,
    quorum   BIGINT NOT NULL, -- percent that the rule asked for
    clause   TEXT   NOT NULL,
    by_name  TEXT   NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX meeting_organ ON meeting (organ, held_on);
CREATE TABLE decision (
    id           TEXT PRIMARY KEY,
    meeting      TEXT   NOT NULL REFERENCES meeting (id),
    body         TEXT   NOT NULL,
    votes_for    BIGINT NOT NULL,
    against      BIGINT NOT NULL,
    abstained    BIGINT NOT NULL,
    passed       BOOLEAN NOT NULL,
    effective_on TEXT   NOT NULL
);
CREATE INDEX decision_meeting ON decision (meeting);
-- What a decision changed.
CREATE TABLE decision_link (
    decision TEXT NOT NULL REFERENCES decision (id),
    change   TEXT NOT NULL REFERENCES alliance_change (id),
    PRIMARY KEY (decision, change)
);

-- Unified managements (SMX-4.1.3, JS-4.5.2): rows are only inserted, the newest
-- counts.
CREATE TABLE unified (
    id       TEXT PRIMARY KEY,
    alliance TEXT   NOT NULL REFERENCES alliance (id),
    code     TEXT   NOT NULL,
    state    TEXT   NOT NULL, -- none, part, whole
    since    TEXT   NOT NULL,
    evidence TEXT   NOT NULL,
    by_name  TEXT   NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX unified_alliance ON unified (alliance, code, at);

-- Where a phase of a document's plan stands: the newest row counts.
CREATE TABLE milestone (
    id       TEXT PRIMARY KEY,
    alliance TEXT   NOT NULL REFERENCES alliance (id),
    clause   TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    state    TEXT   NOT NULL, -- running, done
    evidence TEXT   NOT NULL,
    on_day   TEXT   NOT NULL,
    by_name  TEXT   NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX milestone_alliance ON milestone (alliance, at);

-- +goose Down
DROP TABLE milestone;
DROP TABLE unified;
DROP TABLE decision_link;
DROP TABLE decision;
DROP TABLE meeting;
DROP TABLE organ_seat;
DROP TABLE organ;
DROP TABLE charter_share;
DROP TABLE charter_part;
DROP TABLE charter;
