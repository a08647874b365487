-- +goose Up
-- When departments see patients and do exams: weekly sessions, what differs on
-- single days, the places that come out of it, and the beds kept for referrals.
CREATE TABLE schedule (
    id              TEXT    PRIMARY KEY,
    org             TEXT    NOT NULL REFERENCES organization (id),
    department      TEXT    NOT NULL REFERENCES department (id),
    service         TEXT    NOT NULL, -- of exams: healthcare_service; '' the whole department
    kind            TEXT    NOT NULL, -- clinic, exam
    name            TEXT    NOT NULL, -- 专家门诊, CT 平扫; '' by kind
    practitioner    TEXT    NOT NULL, -- '' whoever is on duty
    room            TEXT    NOT NULL, -- exam room, which holds one session at a time; '' none
    location        TEXT    NOT NULL,
    weekdays        TEXT    NOT NULL, -- 1 Monday … 7 Sunday: 135
    begins          TEXT    NOT NULL, -- HH:MM
    ends            TEXT    NOT NULL,
    slot_minutes    BIGINT  NOT NULL,
    slot_capacity   BIGINT  NOT NULL,
    share_alliance  BIGINT  NOT NULL, -- places a session kept for referrals of members
    share_contract  BIGINT  NOT NULL, -- places a session kept for contracted residents
    holidays        BOOLEAN NOT NULL, -- open on public holidays too
    valid_from      TEXT    NOT NULL,
    valid_to        TEXT    NOT NULL, -- last day, inclusive; '' open
    active          BOOLEAN NOT NULL,
    version         BIGINT  NOT NULL,
    changed_at      BIGINT  NOT NULL,
    changed_by      TEXT    NOT NULL
);
CREATE INDEX schedule_org ON schedule (org, department);

CREATE TABLE schedule_exception (
    id             TEXT   PRIMARY KEY,
    schedule       TEXT   NOT NULL REFERENCES schedule (id),
    day            TEXT   NOT NULL,
    kind           TEXT   NOT NULL, -- closed, extra, substitute
    begins         TEXT   NOT NULL, -- closed: '' the whole day
    ends           TEXT   NOT NULL,
    slot_capacity  BIGINT NOT NULL, -- of an extra session
    practitioner   TEXT   NOT NULL, -- of a substitute
    reason         TEXT   NOT NULL,
    made_at        BIGINT NOT NULL,
    made_by        TEXT   NOT NULL,
    voided_at      BIGINT,
    voided_by      TEXT   NOT NULL
);
CREATE INDEX schedule_exception_day ON schedule_exception (schedule, day);

-- One day of one schedule: its places by share. Every change of a place of the
-- day first moves version, so that two bookings of one day follow each other.
CREATE TABLE schedule_day (
    schedule        TEXT   NOT NULL REFERENCES schedule (id),
    day             TEXT   NOT NULL,
    alliance        BIGINT NOT NULL,
    alliance_taken  BIGINT NOT NULL,
    contract        BIGINT NOT NULL,
    contract_taken  BIGINT NOT NULL,
    open            BIGINT NOT NULL,
    open_taken      BIGINT NOT NULL,
    version         BIGINT NOT NULL,
    PRIMARY KEY (schedule, day),
    CHECK (alliance_taken BETWEEN 0 AND alliance),
    CHECK (contract_taken BETWEEN 0 AND contract),
    CHECK (open_taken BETWEEN 0 AND open)
);
CREATE INDEX schedule_day_day ON schedule_day (day);

CREATE TABLE slot (
    id           TEXT    PRIMARY KEY,
    schedule     TEXT    NOT NULL REFERENCES schedule (id),
    day          TEXT    NOT NULL,
    starts_at    BIGINT  NOT NULL,
    ends_at      BIGINT  NOT NULL,
    planned      BIGINT  NOT NULL, -- places that the plan gives
    capacity     BIGINT  NOT NULL, -- planned, or what is taken when the plan was cut below it
    taken        BIGINT  NOT NULL,
    open         BOOLEAN NOT NULL,
    practitioner TEXT    NOT NULL,
    UNIQUE (schedule, starts_at),
    CHECK (taken BETWEEN 0 AND capacity)
);
CREATE INDEX slot_day ON slot (schedule, day);
CREATE INDEX slot_starts ON slot (starts_at);

CREATE TABLE appointment (
    id           TEXT   PRIMARY KEY,
    slot         TEXT   NOT NULL REFERENCES slot (id),
    pool         TEXT   NOT NULL, -- alliance, contract, open: whose place it took
    case_id      TEXT   NOT NULL, -- the case it is for
    patient      TEXT   NOT NULL,
    subject      TEXT   NOT NULL, -- who it is about, for lists; never a diagnosis
    state        TEXT   NOT NULL, -- held, booked, used, missed, released, expired
    practitioner TEXT   NOT NULL, -- the doctor the patient was told
    expires_at   BIGINT,          -- of a hold
    made_at      BIGINT NOT NULL,
    made_by      TEXT   NOT NULL,
    ended_at     BIGINT,
    ended_by     TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    version      BIGINT NOT NULL
);
CREATE INDEX appointment_slot ON appointment (slot);
CREATE INDEX appointment_case ON appointment (case_id);
CREATE INDEX appointment_patient_time ON appointment (patient);
CREATE INDEX appointment_hold ON appointment (expires_at) WHERE state = 'held';
CREATE INDEX appointment_waiting ON appointment (slot) WHERE state = 'booked';
CREATE UNIQUE INDEX appointment_once ON appointment (patient, slot) WHERE state IN ('held', 'booked', 'used', 'missed');

-- Bookings of one patient follow each other, so that no two overlap.
CREATE TABLE appointment_patient (
    patient TEXT   PRIMARY KEY,
    turn    BIGINT NOT NULL
);

-- Beds that a department keeps for referrals on a day. A day without a row
-- offers what the day before does.
CREATE TABLE bed_day (
    department TEXT    NOT NULL REFERENCES department (id),
    kind       TEXT    NOT NULL, -- '' any, men, women, child, isolation
    day        TEXT    NOT NULL,
    offered    BIGINT  NOT NULL,
    taken      BIGINT  NOT NULL,
    explicit   BOOLEAN NOT NULL, -- set by a person for this day
    set_at     BIGINT  NOT NULL,
    set_by     TEXT    NOT NULL,
    PRIMARY KEY (department, kind, day),
    CHECK (offered >= 0),
    CHECK (taken >= 0)
);

CREATE TABLE bed_reservation (
    id         TEXT   PRIMARY KEY,
    department TEXT   NOT NULL REFERENCES department (id),
    kind       TEXT   NOT NULL, -- the pool it takes from
    case_id    TEXT   NOT NULL,
    patient    TEXT   NOT NULL,
    subject    TEXT   NOT NULL,
    state      TEXT   NOT NULL, -- held, booked, used, released, expired
    from_on    TEXT   NOT NULL,
    until_on   TEXT   NOT NULL, -- first day it is free again, as far as known
    expires_at BIGINT,
    made_at    BIGINT NOT NULL,
    made_by    TEXT   NOT NULL,
    ended_at   BIGINT,
    ended_by   TEXT   NOT NULL,
    reason     TEXT   NOT NULL,
    version    BIGINT NOT NULL
);
CREATE UNIQUE INDEX bed_reservation_case ON bed_reservation (case_id) WHERE state IN ('held', 'booked', 'used');
CREATE INDEX bed_reservation_open ON bed_reservation (department, from_on) WHERE state IN ('held', 'booked', 'used');

-- +goose Down
DROP TABLE bed_reservation;
DROP TABLE bed_day;
DROP TABLE appointment_patient;
DROP TABLE appointment;
DROP TABLE slot;
DROP TABLE schedule_day;
DROP TABLE schedule_exception;
DROP TABLE schedule;
