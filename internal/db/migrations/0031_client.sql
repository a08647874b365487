-- +goose Up
-- A client is approved by a second person, may sign with keys of its own, and
-- its tokens end when its secret or keys change or it is stopped.
ALTER TABLE account_client ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE account_client ADD COLUMN approved_by TEXT NOT NULL DEFAULT '';
ALTER TABLE account_client ADD COLUMN approved_at BIGINT;
ALTER TABLE account_client ADD COLUMN jwks TEXT NOT NULL DEFAULT '';
ALTER TABLE account_client ADD COLUMN tokens_from BIGINT NOT NULL DEFAULT 0;
UPDATE account_client SET approved_at = created_at;

-- Ids of signed assertions that were used, until they expire.
CREATE TABLE account_assertion (
    client TEXT   NOT NULL,
    jti    TEXT   NOT NULL,
    until  BIGINT NOT NULL,
    PRIMARY KEY (client, jti)
);
CREATE INDEX account_assertion_until ON account_assertion (until);
