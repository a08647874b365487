-- +goose Up
-- Population of a division in a year. Figures of a census or of the police
-- register stand beside estimates, which say so; the latest year counts, and in
-- one year a figure counts before an estimate.
CREATE TABLE grid_people (
    code      TEXT    NOT NULL REFERENCES region (code),
    year      BIGINT  NOT NULL,
    estimated BOOLEAN NOT NULL,
    people    BIGINT  NOT NULL,
    source    TEXT    NOT NULL,
    set_at    BIGINT  NOT NULL,
    set_by    TEXT    NOT NULL, -- display name
    PRIMARY KEY (code, year, estimated)
);

-- Where a division lies: in metres from the corner of its unit when boundaries
-- were uploaded, in steps of 1000 on the schematic map otherwise.
CREATE TABLE grid_place (
    code   TEXT   PRIMARY KEY REFERENCES region (code),
    unit   TEXT   NOT NULL REFERENCES region (code),
    x      BIGINT NOT NULL,
    y      BIGINT NOT NULL,
    shape  TEXT   NOT NULL, -- rings in the same metres, as JSON; '' on the schematic map
    set_at BIGINT NOT NULL,
    set_by TEXT   NOT NULL
);
CREATE INDEX grid_place_unit ON grid_place (unit);

-- Borders taken from uploaded boundaries; a before b.
CREATE TABLE grid_border (
    unit TEXT NOT NULL REFERENCES region (code),
    a    TEXT NOT NULL REFERENCES region (code),
    b    TEXT NOT NULL REFERENCES region (code),
    PRIMARY KEY (a, b)
);
CREATE INDEX grid_border_unit ON grid_border (unit);

-- A division of a planning unit into cells. What was adopted is never edited:
-- a change is a new layout.
CREATE TABLE grid_layout (
    id         TEXT   PRIMARY KEY,
    unit       TEXT   NOT NULL REFERENCES region (code),
    name       TEXT   NOT NULL,
    state      TEXT   NOT NULL, -- draft, adopted, dropped
    based_on   TEXT   REFERENCES grid_layout (id),
    origin     TEXT   NOT NULL, -- hand, copy, proposal
    run        TEXT   NOT NULL, -- what the optimiser was asked and answered, as JSON; '' otherwise
    note       TEXT   NOT NULL, -- why it was adopted in spite of warnings
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    changed_at BIGINT NOT NULL,
    changed_by TEXT   NOT NULL
);
CREATE INDEX grid_layout_unit ON grid_layout (unit, created_at);

CREATE TABLE grid_cell (
    id       TEXT   PRIMARY KEY,
    layout   TEXT   NOT NULL REFERENCES grid_layout (id),
    name     TEXT   NOT NULL,
    lead     TEXT   REFERENCES organization (id), -- the hospital that is to answer for it
    alliance TEXT   REFERENCES alliance (id),     -- NULL while it is not formed
    place    BIGINT NOT NULL                      -- order in the layout
);
CREATE INDEX grid_cell_layout ON grid_cell (layout, place);

-- The towns and villages of a cell. Nothing forbids a division in two cells:
-- overlap is found and named by the check, and by who adopts.
CREATE TABLE grid_cell_area (
    cell   TEXT NOT NULL REFERENCES grid_cell (id),
    code   TEXT NOT NULL REFERENCES region (code),
    layout TEXT NOT NULL REFERENCES grid_layout (id),
    PRIMARY KEY (cell, code)
);
CREATE INDEX grid_cell_area_layout ON grid_cell_area (layout);
CREATE INDEX grid_cell_area_code ON grid_cell_area (code);

-- When an adopted layout is in force (valid_*: business days, both inclusive)
-- and since when the register has said so (known_*: instants).
CREATE TABLE grid_force (
    id         TEXT PRIMARY KEY,
    layout     TEXT NOT NULL REFERENCES grid_layout (id),
    unit       TEXT NOT NULL REFERENCES region (code),
    valid_from TEXT NOT NULL,
    valid_to   TEXT,
    known_from BIGINT NOT NULL,
    known_to   BIGINT,
    known_by   TEXT NOT NULL,
    reason     TEXT NOT NULL
);
CREATE INDEX grid_force_unit ON grid_force (unit);
CREATE INDEX grid_force_layout ON grid_force (layout);

-- +goose Down
DROP TABLE grid_force;
DROP TABLE grid_cell_area;
DROP TABLE grid_cell;
DROP TABLE grid_layout;
DROP TABLE grid_border;
DROP TABLE grid_place;
DROP TABLE grid_people;
