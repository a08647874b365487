-- +goose Up
-- Accounts, posts, sessions, second factor, system clients.

CREATE TABLE account (
    id             TEXT PRIMARY KEY,
    login          TEXT NOT NULL UNIQUE,            -- lower case
    name           TEXT NOT NULL,
    person         TEXT NOT NULL DEFAULT '',        -- practitioner id
    patient        TEXT NOT NULL DEFAULT '',        -- patient id, for residents
    state          TEXT NOT NULL CHECK (state IN ('active', 'locked', 'disabled')),
    state_reason   TEXT NOT NULL DEFAULT '',
    password_hash  TEXT NOT NULL,                   -- argon2id, PHC text
    password_at    BIGINT NOT NULL,
    must_change    BOOLEAN NOT NULL,
    failures       TEXT NOT NULL DEFAULT '',        -- instants of recent failures, comma separated
    locked_until   BIGINT,
    factor         TEXT NOT NULL DEFAULT 'none' CHECK (factor IN ('none', 'totp', 'codes')),
    totp_secret    TEXT NOT NULL DEFAULT '',        -- sealed
    totp_pending   TEXT NOT NULL DEFAULT '',        -- sealed, until confirmed
    totp_step      BIGINT NOT NULL DEFAULT 0,       -- last accepted 30-second step: no replay
    last_post      TEXT NOT NULL DEFAULT '',
    last_sign_in   BIGINT,
    created_at     BIGINT NOT NULL,
    version        BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX account_by_name ON account (name, id);
CREATE UNIQUE INDEX account_by_patient ON account (patient) WHERE patient <> '';

-- Earlier passwords, so that the last five are not used again.
CREATE TABLE account_password (
    id      TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES account (id),
    hash    TEXT NOT NULL,
    set_at  BIGINT NOT NULL
);
CREATE INDEX account_password_by_account ON account_password (account, id);

-- Failures at login names that do not exist (keyed hash of what was typed), so
-- that they answer and lock exactly like those that do.
CREATE TABLE account_stranger (
    login_key    TEXT PRIMARY KEY,
    failures     TEXT NOT NULL,
    locked_until BIGINT,
    seen_at      BIGINT NOT NULL
);

CREATE TABLE account_post (
    id          TEXT PRIMARY KEY,
    account     TEXT NOT NULL REFERENCES account (id),
    role        TEXT NOT NULL,
    org         TEXT NOT NULL,
    org_name    TEXT NOT NULL,
    department  TEXT NOT NULL DEFAULT '',
    valid_from  TEXT NOT NULL,
    valid_to    TEXT NOT NULL DEFAULT '',           -- last day, '' open
    state       TEXT NOT NULL CHECK (state IN ('pending', 'active', 'refused', 'ended')),
    granted_by  TEXT NOT NULL,                      -- account, or '' for the program
    granted_at  BIGINT NOT NULL,
    decided_by  TEXT NOT NULL DEFAULT '',           -- security administrator who approved or refused
    decided_at  BIGINT,
    ended_by    TEXT NOT NULL DEFAULT '',
    ended_at    BIGINT,
    reason      TEXT NOT NULL DEFAULT ''
);
CREATE INDEX account_post_by_account ON account_post (account, id);
CREATE INDEX account_post_by_org ON account_post (org, state, role);
-- Three separate powers: at most one administrator's post per account, asked
-- for or held. The program checks it first; this holds whatever happens.
CREATE UNIQUE INDEX account_post_one_power ON account_post (account)
    WHERE state IN ('pending', 'active') AND role IN ('system_admin', 'security_admin', 'auditor');

CREATE TABLE account_code (
    id       TEXT PRIMARY KEY,
    account  TEXT NOT NULL REFERENCES account (id),
    hash     TEXT NOT NULL UNIQUE,                  -- keyed
    made_at  BIGINT NOT NULL,
    used_at  BIGINT
);
CREATE INDEX account_code_by_account ON account_code (account, used_at);

CREATE TABLE account_session (
    id          TEXT PRIMARY KEY,
    token_hash  TEXT NOT NULL UNIQUE,
    account     TEXT NOT NULL REFERENCES account (id),
    post        TEXT NOT NULL REFERENCES account_post (id),
    stage       TEXT NOT NULL CHECK (stage IN ('factor', 'enrol', 'change', 'open')),
    factor_done BOOLEAN NOT NULL,
    regions     TEXT NOT NULL,                      -- jurisdictions of the post's institution, comma separated
    ip          TEXT NOT NULL,
    agent       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    seen_at     BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    locked_at   BIGINT,
    ended_at    BIGINT,
    end_reason  TEXT NOT NULL DEFAULT ''
);
CREATE INDEX account_session_by_account ON account_session (account, ended_at);

-- What an institution asks for at sign-in. org '' is the rule for all others.
CREATE TABLE account_policy (
    org           TEXT PRIMARY KEY,
    second_factor TEXT NOT NULL CHECK (second_factor IN ('none', 'totp_or_codes')),
    idle_minutes  BIGINT NOT NULL DEFAULT 0,        -- 0: the installation's default
    set_by        TEXT NOT NULL,
    set_at        BIGINT NOT NULL
);

CREATE TABLE account_client (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL,
    org         TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    scopes      TEXT NOT NULL,
    active      BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    used_at     BIGINT
);

-- +goose Down
DROP TABLE account_client;
DROP TABLE account_policy;
DROP TABLE account_session;
DROP TABLE account_code;
DROP TABLE account_post;
DROP TABLE account_stranger;
DROP TABLE account_password;
DROP TABLE account;
