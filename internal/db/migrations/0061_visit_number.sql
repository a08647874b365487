-- +goose Up

-- One visit comes once, by whatever road: its number at the institution.
CREATE INDEX encounter_number ON encounter (source_key, org) WHERE current AND voided_at IS NULL;

-- +goose Down

DROP INDEX encounter_number;
