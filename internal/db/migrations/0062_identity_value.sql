-- +goose Up
-- Most identities have no number of their own. Left in the index, they made
-- SQLite take the whole of it for every look-up, once it knew how many they are.
DROP INDEX patient_identity_value;
CREATE UNIQUE INDEX patient_identity_value ON patient_identity (value_index) WHERE voided_at IS NULL AND value_index IS NOT NULL;

-- +goose Down
DROP INDEX patient_identity_value;
CREATE UNIQUE INDEX patient_identity_value ON patient_identity (value_index) WHERE voided_at IS NULL;
