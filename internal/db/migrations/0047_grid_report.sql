-- +goose Up
-- The report of an adopted layout to the authorities above (JS-5.1); its states
-- and clocks are those of the flow case with the same id.
CREATE TABLE grid_report (
    id       TEXT   PRIMARY KEY REFERENCES flow_case (id),
    layout   TEXT   NOT NULL UNIQUE REFERENCES grid_layout (id),
    filed_at BIGINT,
    clause   TEXT   NOT NULL
);

-- What each level did with it; a returned report passes every level again.
CREATE TABLE grid_report_stamp (
    id     TEXT    PRIMARY KEY,
    report TEXT    NOT NULL REFERENCES grid_report (id),
    org    TEXT    NOT NULL,
    title  TEXT    NOT NULL, -- name of the authority then
    name   TEXT    NOT NULL, -- of the person
    at     BIGINT  NOT NULL,
    passed BOOLEAN NOT NULL,
    text   TEXT    NOT NULL -- why it was returned
);
CREATE INDEX grid_report_stamp_report ON grid_report_stamp (report, at);

-- +goose Down
DROP TABLE grid_report_stamp;
DROP TABLE grid_report;
