-- +goose Up
-- Groups that a bureau sets up to carry a document out (LL-6): the leading
-- group, its office, the joint conference. What posts they have stands in the
-- profile; who holds them, and when they met, stands here.
CREATE TABLE steering (
    id             TEXT   PRIMARY KEY,
    org            TEXT   NOT NULL REFERENCES organization (id), -- bureau
    profile        TEXT   NOT NULL,
    body           TEXT   NOT NULL, -- id in the profile
    established_on TEXT   NOT NULL,
    basis          TEXT   NOT NULL,
    by_name        TEXT   NOT NULL,
    at             BIGINT NOT NULL,
    UNIQUE (org, profile, body)
);
CREATE TABLE steering_seat (
    id         TEXT   PRIMARY KEY,
    steering   TEXT   NOT NULL REFERENCES steering (id),
    post       TEXT   NOT NULL, -- as the document calls it
    name       TEXT   NOT NULL,
    position   TEXT   NOT NULL, -- institution and post
    valid_from TEXT   NOT NULL,
    valid_to   TEXT,
    basis      TEXT   NOT NULL,
    by_name    TEXT   NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX steering_seat_group ON steering_seat (steering);
CREATE TABLE steering_meeting (
    id       TEXT   PRIMARY KEY,
    steering TEXT   NOT NULL REFERENCES steering (id),
    title    TEXT   NOT NULL,
    held_on  TEXT   NOT NULL,
    chair    TEXT   NOT NULL,
    present  TEXT   NOT NULL, -- who took part, in words
    minutes  TEXT   NOT NULL,
    by_name  TEXT   NOT NULL,
    at       BIGINT NOT NULL
);
CREATE INDEX steering_meeting_group ON steering_meeting (steering, held_on);

-- +goose Down
DROP TABLE steering_meeting;
DROP TABLE steering_seat;
DROP TABLE steering;
