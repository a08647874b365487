-- +goose Up
-- A consultation before referral is a flow case (same id) with its clinical
-- content. Free clinical text is sealed; what is counted is not.
CREATE TABLE consult (
    id             TEXT    PRIMARY KEY REFERENCES flow_case (id),
    patient        TEXT    NOT NULL,
    diagnosis_code TEXT    NOT NULL,
    diagnosis_name TEXT    NOT NULL,
    pace           TEXT    NOT NULL, -- routine, today
    consent        TEXT    NOT NULL, -- id of the consent to show the data
    may_convert    BOOLEAN NOT NULL, -- the asker lets the specialist turn it into a referral
    decided_under  TEXT    NOT NULL,
    clauses        TEXT    NOT NULL,
    question       TEXT    NOT NULL, -- sealed
    asked_at       BIGINT  NOT NULL,
    asked_on       TEXT    NOT NULL,
    answer_kind    TEXT    NOT NULL, -- '' not answered; local, exam, refer, emergency
    answer         TEXT    NOT NULL, -- sealed
    answered_at    BIGINT,
    in_time        BOOLEAN NOT NULL,
    decline        TEXT    NOT NULL, -- next step of the open decline, sealed
    referral       TEXT    NOT NULL, -- the referral it was turned into
    converted_at   BIGINT,
    surveyed_at    BIGINT,
    avoided        BOOLEAN NOT NULL,
    prompted       BOOLEAN NOT NULL,
    helpful        BIGINT  NOT NULL, -- 1 to 5; 0 not said
    remark         TEXT    NOT NULL  -- of the survey, sealed
);
CREATE INDEX consult_patient ON consult (patient);
CREATE INDEX consult_asked ON consult (asked_on);

CREATE TABLE consult_question (
    id            TEXT   PRIMARY KEY,
    consult       TEXT   NOT NULL REFERENCES consult (id),
    asked_at      BIGINT NOT NULL,
    asked_name    TEXT   NOT NULL,
    asked_org     TEXT   NOT NULL,
    question      TEXT   NOT NULL, -- sealed
    answered_at   BIGINT,
    answered_name TEXT   NOT NULL,
    answer        TEXT   NOT NULL  -- sealed
);
CREATE INDEX consult_question_consult ON consult_question (consult, asked_at);

-- +goose Down
DROP TABLE consult_question;
DROP TABLE consult;
