-- +goose Up
-- Every message that another system has sent, kept sealed as it came, with what
-- became of it and what was answered.
CREATE TABLE exchange_message (
    id          TEXT   PRIMARY KEY, -- also the control id of the answer
    org         TEXT   NOT NULL REFERENCES organization (id), -- that the peer speaks for
    peer        TEXT   NOT NULL,
    control_id  TEXT   NOT NULL, -- as the sender numbers it
    once        TEXT   UNIQUE,   -- peer and control id; NULL: refused as a second message under one number
    digest      TEXT   NOT NULL, -- of the bytes
    kind        TEXT   NOT NULL, -- ADT^A01; '' not readable
    received_at BIGINT NOT NULL,
    received_on TEXT   NOT NULL,
    sealed      TEXT   NOT NULL,
    size        BIGINT NOT NULL,
    state       TEXT   NOT NULL, -- placed, waiting, refused, dismissed
    reason      TEXT   NOT NULL, -- code; '' placed at once
    place       TEXT   NOT NULL, -- PID-3
    detail      TEXT   NOT NULL, -- Chinese, no names
    patient     TEXT,            -- whom it was about, once known
    answer_code TEXT   NOT NULL, -- AA, AE, AR: what the sender was told
    answer      TEXT   NOT NULL, -- the errors of that answer, JSON
    assigned    TEXT   NOT NULL, -- patient whom somebody has named, 'new', or ''
    tries       BIGINT NOT NULL,
    version     BIGINT NOT NULL,
    settled_at  BIGINT,          -- when it was placed or dismissed
    settled_by  TEXT   NOT NULL,
    note        TEXT   NOT NULL  -- why it was dismissed
);
CREATE INDEX exchange_message_queue ON exchange_message (org, state, received_at);
CREATE INDEX exchange_message_day ON exchange_message (received_on, peer);
CREATE INDEX exchange_message_patient ON exchange_message (patient) WHERE patient IS NOT NULL;

-- Under which number a system knows a person.
CREATE TABLE exchange_person (
    org     TEXT   NOT NULL,
    system  TEXT   NOT NULL, -- assigning authority
    number  TEXT   NOT NULL, -- keyed hash
    patient TEXT   NOT NULL REFERENCES patient (id),
    set_at  BIGINT NOT NULL,
    set_by  TEXT   NOT NULL,
    PRIMARY KEY (org, system, number)
);
CREATE INDEX exchange_person_patient ON exchange_person (patient);

-- What a system's number of a thing is here.
CREATE TABLE exchange_link (
    peer   TEXT NOT NULL,
    kind   TEXT NOT NULL, -- referral
    number TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (peer, kind, number)
);

-- +goose Down
DROP TABLE exchange_link;
DROP TABLE exchange_person;
DROP TABLE exchange_message;
