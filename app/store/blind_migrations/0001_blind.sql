-- A blind node: who it is, the keys by which it knows its community's envelopes, the envelopes, and where they stand.

CREATE TABLE blind (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  node_index INTEGER NOT NULL,
  name TEXT NOT NULL,
  space BLOB NOT NULL CHECK (length(space) = 16),
  quota_bytes INTEGER,                        -- of envelopes and blobs together; null without a limit
  held_bytes INTEGER NOT NULL DEFAULT 0,      -- of the envelopes held, kept by the triggers below
  swept_day INTEGER NOT NULL DEFAULT 0,       -- days since 2025 by the machine's clock, when it was last swept
  trusted_day INTEGER NOT NULL DEFAULT 0      -- the day by which things expire; follows the clock in small steps
) STRICT;

CREATE TABLE epochs (
  number INTEGER PRIMARY KEY,
  relay BLOB NOT NULL CHECK (length(relay) = 32),
  link BLOB NOT NULL CHECK (length(link) = 32),
  started INTEGER NOT NULL                    -- minutes since 2025
) STRICT;

CREATE TABLE envelopes (
  id INTEGER PRIMARY KEY,
  envelope_id BLOB NOT NULL UNIQUE,
  bytes BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  lifetime INTEGER NOT NULL
) STRICT;
CREATE INDEX envelopes_by_end ON envelopes (epoch, lifetime);
CREATE TRIGGER envelopes_come AFTER INSERT ON envelopes BEGIN
  UPDATE blind SET held_bytes = held_bytes + length(new.bytes);
END;
CREATE TRIGGER envelopes_go AFTER DELETE ON envelopes BEGIN
  UPDATE blind SET held_bytes = held_bytes - length(old.bytes);
END;

CREATE TABLE places (
  node_index INTEGER NOT NULL,
  number INTEGER NOT NULL,
  envelope INTEGER NOT NULL REFERENCES envelopes (id) ON DELETE CASCADE,
  PRIMARY KEY (node_index, number, envelope)
) STRICT, WITHOUT ROWID;
CREATE INDEX places_by_envelope ON places (envelope);

CREATE TABLE gone (
  node_index INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (node_index, first)
) STRICT, WITHOUT ROWID;
