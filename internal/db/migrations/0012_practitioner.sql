-- +goose Up
CREATE TABLE practitioner (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    sex         TEXT NOT NULL, -- GB/T 2261.1
    phone       TEXT NOT NULL, -- work phone
    title       TEXT NOT NULL, -- 职称
    category    TEXT NOT NULL,
    scope       TEXT NOT NULL, -- 执业范围
    employed_by TEXT NOT NULL REFERENCES organization (id),
    active      BOOLEAN NOT NULL,
    version     BIGINT NOT NULL
);
CREATE INDEX practitioner_employed ON practitioner (employed_by);

-- Where a person works, dated; posting elsewhere leaves the employer (LL-4.3.1).
CREATE TABLE posting (
    id           TEXT PRIMARY KEY,
    practitioner TEXT NOT NULL REFERENCES practitioner (id),
    org          TEXT NOT NULL REFERENCES organization (id),
    department   TEXT REFERENCES department (id), -- NULL: the whole institution
    kind         TEXT NOT NULL,
    head         BOOLEAN NOT NULL,
    valid_from   TEXT NOT NULL,
    valid_to     TEXT -- last day, inclusive; NULL: open
);
CREATE INDEX posting_practitioner ON posting (practitioner);
CREATE INDEX posting_org ON posting (org, department);

-- The duties that must be covered round the clock, so that gaps can be seen.
CREATE TABLE duty_post (
    org        TEXT NOT NULL REFERENCES organization (id),
    department TEXT NOT NULL, -- '' : the whole institution
    duty       TEXT NOT NULL,
    PRIMARY KEY (org, department, duty)
);

CREATE TABLE shift (
    id           TEXT PRIMARY KEY,
    org          TEXT NOT NULL REFERENCES organization (id),
    department   TEXT NOT NULL, -- '' : the whole institution
    duty         TEXT NOT NULL,
    practitioner TEXT NOT NULL REFERENCES practitioner (id),
    begins_at    BIGINT NOT NULL,
    ends_at      BIGINT NOT NULL, -- exclusive
    made_by      TEXT NOT NULL,
    voided_at    BIGINT,
    voided_by    TEXT NOT NULL,
    void_reason  TEXT NOT NULL
);
CREATE INDEX shift_org ON shift (org, begins_at);
CREATE INDEX shift_practitioner ON shift (practitioner, begins_at);

-- +goose Down
DROP TABLE shift;
DROP TABLE duty_post;
DROP TABLE posting;
DROP TABLE practitioner;
