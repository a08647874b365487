-- +goose Up
-- Who did and who saw what. Rows of audit_leaf, audit_link and audit_checkpoint
-- are only ever inserted.

CREATE TABLE audit_leaf (
    id        TEXT PRIMARY KEY,
    at        BIGINT NOT NULL,
    account   TEXT NOT NULL,      -- account or client; '' for the program itself
    person    TEXT NOT NULL,
    name      TEXT NOT NULL,      -- as it stood at the time
    role      TEXT NOT NULL,
    org       TEXT NOT NULL,
    org_name  TEXT NOT NULL,      -- as it stood at the time
    self      TEXT NOT NULL,      -- the patient that a resident is or acts for
    action    TEXT NOT NULL,
    object    TEXT NOT NULL,
    object_id TEXT NOT NULL,
    patient   TEXT NOT NULL,      -- whose data it touches, '' when nobody's
    outcome   TEXT NOT NULL CHECK (outcome IN ('ok', 'refused')),
    more      TEXT NOT NULL       -- JSON of what is shown but never searched
);
CREATE INDEX audit_leaf_time ON audit_leaf (at, id);
CREATE INDEX audit_leaf_account ON audit_leaf (account, at, id) WHERE account <> '';
CREATE INDEX audit_leaf_name ON audit_leaf (name, at, id);
CREATE INDEX audit_leaf_patient ON audit_leaf (patient, at, id) WHERE patient <> '';
CREATE INDEX audit_leaf_object ON audit_leaf (object_id, at, id) WHERE object_id <> '';

-- Leaves that wait for the sealer. A list, not a high-water mark: transactions
-- commit in another order than they begin, and none may be missed.
CREATE TABLE audit_pending (
    leaf_id TEXT PRIMARY KEY
);

-- The chain. The reference makes both engines refuse to delete a sealed leaf.
CREATE TABLE audit_link (
    seq        BIGINT PRIMARY KEY,
    leaf_id    TEXT NOT NULL UNIQUE REFERENCES audit_leaf (id),
    leaf_hash  TEXT NOT NULL,     -- algorithm.hex
    chain_hash TEXT NOT NULL      -- over the previous chain_hash, seq and leaf_hash
);

-- The end of the chain, moved by compare-and-set: two sealers never fork it.
CREATE TABLE audit_head (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    seq        BIGINT NOT NULL,
    chain_hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, chain_hash) VALUES (1, 0, '');

-- Signed with a key that is not in the database.
CREATE TABLE audit_checkpoint (
    seq        BIGINT PRIMARY KEY REFERENCES audit_link (seq),
    chain_hash TEXT NOT NULL,
    at         BIGINT NOT NULL,
    signature  TEXT NOT NULL
);

-- +goose Down
DROP TABLE audit_checkpoint;
DROP TABLE audit_head;
DROP TABLE audit_link;
DROP TABLE audit_pending;
DROP TABLE audit_leaf;
