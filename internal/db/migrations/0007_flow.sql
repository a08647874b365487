-- +goose Up
CREATE TABLE flow_case (
    id               TEXT    PRIMARY KEY,
    kind             TEXT    NOT NULL,
    number           TEXT    NOT NULL UNIQUE,
    state            TEXT    NOT NULL,
    version          BIGINT  NOT NULL,
    patient          TEXT,
    subject          TEXT    NOT NULL,
    urgency          TEXT    NOT NULL,
    track            TEXT    NOT NULL,
    silent           BOOLEAN NOT NULL,
    from_org         TEXT    NOT NULL,
    from_org_name    TEXT    NOT NULL,
    from_dept        TEXT    NOT NULL,
    from_dept_name   TEXT    NOT NULL,
    from_person      TEXT    NOT NULL,
    from_person_name TEXT    NOT NULL,
    to_org           TEXT    NOT NULL,
    to_org_name      TEXT    NOT NULL,
    to_dept          TEXT    NOT NULL,
    to_dept_name     TEXT    NOT NULL,
    to_person        TEXT    NOT NULL,
    to_person_name   TEXT    NOT NULL,
    place_regions    TEXT    NOT NULL,
    place_kind       TEXT    NOT NULL,
    turn             TEXT    NOT NULL,
    owner_org        TEXT    NOT NULL,
    owner_role       TEXT    NOT NULL,
    owner_dept       TEXT    NOT NULL,
    owner            TEXT    NOT NULL,
    owner_name       TEXT    NOT NULL,
    entered_at       BIGINT  NOT NULL,
    due_at           BIGINT,
    due_key          TEXT    NOT NULL,
    due_clause       TEXT    NOT NULL,
    due_rule         TEXT    NOT NULL,
    due_short        BOOLEAN NOT NULL,
    escalation       BIGINT  NOT NULL,
    paused_state     TEXT    NOT NULL,
    paused_left      BIGINT  NOT NULL,
    paused_days      BIGINT  NOT NULL,
    resp_org         TEXT    NOT NULL,
    resp_org_name    TEXT    NOT NULL,
    resp_dept        TEXT    NOT NULL,
    resp_dept_name   TEXT    NOT NULL,
    resp_person      TEXT    NOT NULL,
    resp_person_name TEXT    NOT NULL,
    opened_at        BIGINT  NOT NULL,
    closed_at        BIGINT,
    outcome          TEXT    NOT NULL,
    based_on         TEXT    NOT NULL,
    -- No open case without an owner and a due time.
    CHECK (closed_at IS NOT NULL OR (owner_org <> '' AND owner_role <> '' AND turn <> '' AND due_at IS NOT NULL))
);
CREATE INDEX flow_case_owner ON flow_case (owner_org, owner_role, due_at);
CREATE INDEX flow_case_person ON flow_case (owner, due_at);
CREATE INDEX flow_case_from ON flow_case (from_org, kind, state, due_at);
CREATE INDEX flow_case_to ON flow_case (to_org, kind, state, due_at);
CREATE INDEX flow_case_patient ON flow_case (patient, opened_at);
CREATE INDEX flow_case_due ON flow_case (due_short, closed_at);
CREATE INDEX flow_case_opened ON flow_case (kind, opened_at);

CREATE TABLE flow_event (
    id           TEXT   PRIMARY KEY,
    case_id      TEXT   NOT NULL REFERENCES flow_case (id),
    kind         TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    account      TEXT   NOT NULL,
    person       TEXT   NOT NULL,
    name         TEXT   NOT NULL,
    role         TEXT   NOT NULL,
    org          TEXT   NOT NULL,
    org_name     TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    action_title TEXT   NOT NULL,
    from_state   TEXT   NOT NULL,
    to_state     TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    reason_title TEXT   NOT NULL,
    comment      TEXT   NOT NULL,
    held_side    TEXT   NOT NULL,
    held_ms      BIGINT NOT NULL,
    due_at       BIGINT,
    clause       TEXT   NOT NULL,
    policy       TEXT   NOT NULL,
    once         TEXT   UNIQUE
);
CREATE INDEX flow_event_case ON flow_event (case_id, version);
CREATE INDEX flow_event_at ON flow_event (at);
CREATE INDEX flow_event_action ON flow_event (kind, action, at);

-- Case numbers: one counter for each kind and business date.
CREATE TABLE flow_number (
    prefix TEXT   NOT NULL,
    day    TEXT   NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (prefix, day)
);

-- +goose Down
DROP TABLE flow_number;
DROP TABLE flow_event;
DROP TABLE flow_case;
