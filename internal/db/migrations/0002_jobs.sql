-- +goose Up
-- One row is one piece of work that is not done yet; done work is deleted.
CREATE TABLE job (
    id           TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    args         TEXT NOT NULL,
    uniq         TEXT,                       -- the caller's key; NULL when it gave none
    state        TEXT NOT NULL CHECK (state IN ('ready', 'running', 'dead')),
    run_at       BIGINT NOT NULL,
    lease_until  BIGINT,                     -- set while running
    fence        BIGINT NOT NULL DEFAULT 0,  -- rises with every claim, never falls
    again        BOOLEAN NOT NULL DEFAULT FALSE, -- asked for once more while running
    attempts     INTEGER NOT NULL DEFAULT 0, -- since the last retry by hand
    max_attempts INTEGER NOT NULL,
    earlier      INTEGER NOT NULL DEFAULT 0, -- attempts before the last retry by hand
    retried      INTEGER NOT NULL DEFAULT 0, -- retries by hand
    last_error   TEXT NOT NULL DEFAULT '',
    created_at   BIGINT NOT NULL,
    failed_at    BIGINT
);
-- A dead job does not hold its key: new work of the same key must not vanish
-- into it.
CREATE UNIQUE INDEX job_uniq ON job (kind, uniq) WHERE uniq IS NOT NULL AND state <> 'dead';
CREATE INDEX job_due ON job (state, run_at, id);
CREATE INDEX job_lease ON job (lease_until) WHERE lease_until IS NOT NULL;

-- The last slot of each periodic job that was handed out.
CREATE TABLE job_slot (
    kind TEXT PRIMARY KEY,
    slot BIGINT NOT NULL
);

-- Named leases: who alone may do something now, over all processes.
CREATE TABLE lease (
    name       TEXT PRIMARY KEY,
    holder     TEXT NOT NULL,
    held_until BIGINT NOT NULL,
    fence      BIGINT NOT NULL
);

-- +goose Down
DROP TABLE lease;
DROP TABLE job_slot;
DROP TABLE job;
