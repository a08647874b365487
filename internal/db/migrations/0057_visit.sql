-- +goose Up
-- Visits that a primary institution enters on the page: one row a version, what
-- was entered sealed. id is the encounter; once is the form that made it, so
-- that a form sent twice is one visit.
CREATE TABLE visit (
    id            TEXT    NOT NULL, -- encounter
    version       BIGINT  NOT NULL,
    current       BOOLEAN NOT NULL,
    once          TEXT    NOT NULL,
    patient       TEXT    NOT NULL REFERENCES patient (id),
    org           TEXT    NOT NULL REFERENCES organization (id),
    started_at    BIGINT  NOT NULL,
    follow_on     TEXT    NOT NULL, -- business date, '' none
    sealed        TEXT    NOT NULL,
    recorded_at   BIGINT  NOT NULL,
    recorded_by   TEXT    NOT NULL,
    change_reason TEXT    NOT NULL,
    voided_at     BIGINT,
    void_reason   TEXT    NOT NULL,
    PRIMARY KEY (id, version)
);
CREATE UNIQUE INDEX visit_once ON visit (once) WHERE version = 1;
CREATE UNIQUE INDEX visit_current ON visit (id) WHERE current;
CREATE INDEX visit_org ON visit (org, started_at) WHERE current;
CREATE INDEX visit_follow ON visit (org, follow_on) WHERE current AND follow_on <> '';
CREATE INDEX visit_patient ON visit (patient, started_at) WHERE current;

-- +goose Down
DROP TABLE visit;
