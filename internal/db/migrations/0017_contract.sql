-- +goose Up
-- Family-doctor teams and who is contracted with them.
CREATE TABLE contract_team (
    id         TEXT    PRIMARY KEY,
    org        TEXT    NOT NULL REFERENCES organization (id),
    name       TEXT    NOT NULL,
    leader     TEXT    NOT NULL REFERENCES practitioner (id),
    phone      TEXT    NOT NULL,
    active     BOOLEAN NOT NULL,
    version    BIGINT  NOT NULL,
    changed_at BIGINT  NOT NULL,
    changed_by TEXT    NOT NULL
);
CREATE UNIQUE INDEX contract_team_name ON contract_team (org, name);

CREATE TABLE contract_team_member (
    team         TEXT NOT NULL REFERENCES contract_team (id),
    practitioner TEXT NOT NULL REFERENCES practitioner (id),
    role         TEXT NOT NULL, -- clinician, nurse, public_health, other
    PRIMARY KEY (team, practitioner)
);

-- One row a term; renewing adds a row. latest marks the newest term of a
-- resident that is not over: at most one, whoever signs at the same time.
CREATE TABLE family_contract (
    id           TEXT    PRIMARY KEY,
    patient_id   TEXT    NOT NULL REFERENCES patient (id),
    team         TEXT    NOT NULL REFERENCES contract_team (id),
    org          TEXT    NOT NULL, -- of the team when signed
    kind         TEXT    NOT NULL,
    name         TEXT    NOT NULL, -- of the resident when signed, for lists
    initials     TEXT    NOT NULL,
    signer       TEXT    NOT NULL,
    signer_kind  TEXT    NOT NULL, -- GB/T 4761; '' the resident
    from_on      TEXT    NOT NULL,
    to_on        TEXT    NOT NULL, -- last day, inclusive
    renews       TEXT    REFERENCES family_contract (id),
    latest       BOOLEAN NOT NULL,
    signed_at    BIGINT  NOT NULL,
    signed_by    TEXT    NOT NULL,
    ended_on     TEXT    NOT NULL, -- first day it no longer holds; '' runs its term
    end_reason   TEXT    NOT NULL,
    end_note     TEXT    NOT NULL,
    voided_at    BIGINT,
    voided_by    TEXT    NOT NULL,
    void_reason  TEXT    NOT NULL
);
CREATE UNIQUE INDEX family_contract_latest ON family_contract (patient_id) WHERE latest;
CREATE INDEX family_contract_patient ON family_contract (patient_id, from_on);
CREATE INDEX family_contract_org ON family_contract (org, latest, to_on);
CREATE INDEX family_contract_team ON family_contract (team, latest);

-- +goose Down
DROP TABLE family_contract;
DROP TABLE contract_team_member;
DROP TABLE contract_team;
