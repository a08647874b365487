-- +goose Up
-- The name under which a member was entered: a report of June must read in
-- December as it read in June, whatever the institution is called by then.
ALTER TABLE alliance_membership ADD COLUMN org_name TEXT NOT NULL DEFAULT '';

-- Dated facts about institutions (subject org) and alliances (subject
-- alliance), in two times like memberships: affiliation, legal_person,
-- legal_representative, funding; state, area.
CREATE TABLE alliance_fact (
    id         TEXT PRIMARY KEY,
    subject    TEXT NOT NULL, -- org, alliance
    subject_id TEXT NOT NULL,
    field      TEXT NOT NULL,
    value      TEXT NOT NULL,
    evidence   TEXT NOT NULL,
    clause     TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to   TEXT,
    known_from BIGINT NOT NULL,
    known_to   BIGINT,
    known_by   TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX alliance_fact_subject ON alliance_fact (subject_id, field);
CREATE INDEX alliance_fact_value ON alliance_fact (field, value);

-- Ties that are no membership: trust (托管), link (承接单位 for an area),
-- guidance (a hospital above), contact (a provincial hospital and its city),
-- branch. An outside institution stands by its name only.
CREATE TABLE alliance_relation (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,
    alliance   TEXT REFERENCES alliance (id),
    from_org   TEXT REFERENCES organization (id),
    from_name  TEXT NOT NULL,
    to_org     TEXT REFERENCES organization (id),
    to_name    TEXT NOT NULL,
    area       TEXT NOT NULL, -- region codes, parted by spaces
    terms      TEXT NOT NULL,
    evidence   TEXT NOT NULL,
    clause     TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to   TEXT,
    known_from BIGINT NOT NULL,
    known_to   BIGINT,
    known_by   TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX alliance_relation_from ON alliance_relation (from_org);
CREATE INDEX alliance_relation_to ON alliance_relation (to_org);
CREATE INDEX alliance_relation_alliance ON alliance_relation (alliance);

-- What happened to an alliance, written in the transaction that made it true.
-- Rows are only ever inserted; filings and decisions point at them.
CREATE TABLE alliance_change (
    id           TEXT PRIMARY KEY,
    alliance     TEXT NOT NULL REFERENCES alliance (id),
    what         TEXT NOT NULL, -- formed, joined, left, lead, representative, charter, split, ended ...
    track        TEXT NOT NULL, -- formation, change, end; '' when it need not be filed
    org          TEXT NOT NULL, -- institution concerned, '' none
    text         TEXT NOT NULL,
    effective_on TEXT NOT NULL,
    cause        TEXT NOT NULL,
    clause       TEXT NOT NULL,
    at           BIGINT NOT NULL,
    by_name      TEXT NOT NULL
);
CREATE INDEX alliance_change_alliance ON alliance_change (alliance, at);

-- What became of an institution: merged into others or split up.
CREATE TABLE alliance_succession (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL, -- merge, split
    from_org     TEXT NOT NULL REFERENCES organization (id),
    to_org       TEXT NOT NULL REFERENCES organization (id),
    effective_on TEXT NOT NULL,
    reason       TEXT NOT NULL,
    at           BIGINT NOT NULL,
    by_name      TEXT NOT NULL
);
CREATE INDEX alliance_succession_from ON alliance_succession (from_org);

-- An exception that a document allows with evidence and approvals (JS-4.1.2):
-- a flow case of the same id.
CREATE TABLE exemption (
    id            TEXT PRIMARY KEY REFERENCES flow_case (id),
    kind          TEXT NOT NULL, -- lead: leads a tight alliance; branch: a branch
    org           TEXT NOT NULL REFERENCES organization (id),
    alliance_kind TEXT NOT NULL, -- '' for a branch
    region        TEXT NOT NULL, -- region code that it is about
    existing      BOOLEAN NOT NULL, -- stood before the document
    since         TEXT NOT NULL, -- day from which it stands
    purpose       TEXT NOT NULL,
    evidence      TEXT NOT NULL,
    clause        TEXT NOT NULL,
    decided_at    BIGINT, -- when the last approval or the refusal came
    approved      BOOLEAN NOT NULL
);
CREATE INDEX exemption_org ON exemption (org);

-- +goose Down
DROP TABLE exemption;
DROP TABLE alliance_succession;
DROP TABLE alliance_change;
DROP TABLE alliance_relation;
DROP TABLE alliance_fact;
