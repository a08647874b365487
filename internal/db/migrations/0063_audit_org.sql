-- +goose Up
-- The leaves of one institution, newest first: what its systems ask through
-- the interface (ADR 0061).
CREATE INDEX audit_leaf_org ON audit_leaf (org, at, id) WHERE org <> '';

-- +goose Down
DROP INDEX audit_leaf_org;
