-- Expiry: when an envelope may be let go of, and the names of those that were, which stay in the logs' checksums.

ALTER TABLE node ADD COLUMN lived INTEGER NOT NULL DEFAULT 0;   -- minutes that this node has run, whatever its clock said

ALTER TABLE envelopes ADD COLUMN expires INTEGER;               -- minutes since 2025; null for what stays
ALTER TABLE envelopes ADD COLUMN leaves INTEGER;                -- not before this node has lived so long
UPDATE envelopes SET leaves = (30 + CASE lifetime WHEN 0 THEN 2 WHEN 1 THEN 7 WHEN 2 THEN 35 ELSE 400 END) * 1440
  WHERE lifetime < 4 AND kind NOT IN (0, 1);
UPDATE envelopes SET expires = minutes + leaves WHERE leaves IS NOT NULL;
CREATE INDEX envelopes_by_end ON envelopes (leaves) WHERE leaves IS NOT NULL;

ALTER TABLE parked ADD COLUMN expires INTEGER;
ALTER TABLE parked ADD COLUMN leaves INTEGER;

DROP TABLE node_log_gone;
CREATE TABLE node_log_gone (
  node_index INTEGER NOT NULL,
  number INTEGER NOT NULL,
  envelope_id BLOB NOT NULL CHECK (length(envelope_id) = 16),
  PRIMARY KEY (node_index, number, envelope_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX node_log_gone_by_name ON node_log_gone (envelope_id);
