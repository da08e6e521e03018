-- Blobs on this disk, who else has them, what was asked for by stick, and what each node's last bundle said it knows.

CREATE TABLE blobs (
  address BLOB PRIMARY KEY CHECK (length(address) = 32),
  size INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blob_holders (
  address BLOB NOT NULL,                      -- held here or not: what is not is wanted
  node_index INTEGER NOT NULL,
  PRIMARY KEY (address, node_index)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_holders_by_node ON blob_holders (node_index);

CREATE TABLE blob_requests (
  address BLOB NOT NULL,
  node_index INTEGER NOT NULL,                -- who asked for it
  PRIMARY KEY (address, node_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE bundles_heard (
  node_index INTEGER PRIMARY KEY,
  written INTEGER NOT NULL,                   -- minutes since 2025, by the writer's clock
  vector BLOB NOT NULL
) STRICT;
