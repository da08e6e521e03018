-- The spine: identity, epochs, devices, envelopes and their node log, boards, custody, the keeper's sessions.

CREATE TABLE node (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seed BLOB NOT NULL CHECK (length(seed) = 32),
  node_index INTEGER NOT NULL,
  name TEXT NOT NULL,
  space BLOB NOT NULL CHECK (length(space) = 16),
  community TEXT NOT NULL,
  join_policy TEXT NOT NULL,
  index_reserved INTEGER NOT NULL,           -- the highest roster index this node has given away
  counter_reserved INTEGER NOT NULL DEFAULT 0,
  radio_port TEXT
) STRICT;

CREATE TABLE epochs (
  number INTEGER PRIMARY KEY,
  key BLOB NOT NULL CHECK (length(key) = 32),
  started INTEGER NOT NULL                    -- minutes since 2025
) STRICT;

CREATE TABLE devices (
  id BLOB PRIMARY KEY CHECK (length(id) = 4),
  public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
  name TEXT NOT NULL,
  node_index INTEGER UNIQUE,                  -- null for a person's device
  introduced_by INTEGER NOT NULL DEFAULT 0,   -- sequence of the introduction that named it
  highest_sequence INTEGER NOT NULL DEFAULT 0,
  forked INTEGER NOT NULL DEFAULT 0           -- two records with one sequence were seen
) STRICT;

CREATE TABLE envelopes (
  id INTEGER PRIMARY KEY,                     -- order of arrival here
  envelope_id BLOB NOT NULL UNIQUE,
  record_id BLOB NOT NULL UNIQUE,
  bytes BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  lifetime INTEGER NOT NULL,
  author BLOB NOT NULL REFERENCES devices (id),
  sequence INTEGER NOT NULL,
  minutes INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  ref BLOB,
  entry_index INTEGER NOT NULL,               -- the node it entered the network at
  via_index INTEGER,                          -- the node it was heard from; null when it entered here
  source TEXT NOT NULL,
  received_ms INTEGER NOT NULL,
  background INTEGER NOT NULL,                -- travels in spare airtime
  kept_by INTEGER NOT NULL DEFAULT 1          -- nodes known to have it on their disk, this one counted
) STRICT;
CREATE INDEX envelopes_by_author ON envelopes (author, sequence);
CREATE INDEX envelopes_unshared ON envelopes (background, id) WHERE kept_by = 1;

CREATE TABLE node_log (
  node_index INTEGER NOT NULL,
  number INTEGER NOT NULL,
  envelope INTEGER NOT NULL REFERENCES envelopes (id),
  PRIMARY KEY (node_index, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX node_log_by_envelope ON node_log (envelope);

CREATE TABLE custody (
  envelope INTEGER NOT NULL REFERENCES envelopes (id),
  node_index INTEGER NOT NULL,
  heard_ms INTEGER NOT NULL,
  PRIMARY KEY (envelope, node_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE parked (
  envelope_id BLOB PRIMARY KEY,
  bytes BLOB NOT NULL,
  reason TEXT NOT NULL,
  author BLOB NOT NULL,
  due INTEGER NOT NULL,                       -- minutes: not looked at before
  entry_index INTEGER,
  log_number INTEGER,
  via_index INTEGER,
  source TEXT NOT NULL,
  received_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX parked_by_author ON parked (author);

CREATE TABLE boards (
  name TEXT PRIMARY KEY,
  total INTEGER NOT NULL DEFAULT 0,
  revision INTEGER NOT NULL DEFAULT 0         -- grows with every change that a reader could see
) STRICT;
INSERT INTO boards (name) VALUES ('bulletin'), ('markets'), ('events'), ('directory'), ('weather');

CREATE TABLE records (
  id INTEGER PRIMARY KEY REFERENCES envelopes (id),
  record_id BLOB NOT NULL UNIQUE,
  board TEXT NOT NULL REFERENCES boards (name),
  position TEXT NOT NULL,                     -- the order on the board, the same on every node
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  body BLOB,                                  -- a structured kind's CBOR map
  source TEXT,                                -- where it was imported from, with its id there
  source_id TEXT,
  hidden_after INTEGER,                       -- minutes; null for what stays
  shown INTEGER NOT NULL                      -- 0 taken down or superseded, 1 on the board, 2 under what it answers
) STRICT;
CREATE INDEX records_on_board ON records (board, position) WHERE shown = 1;
CREATE INDEX records_by_source ON records (source, source_id) WHERE source IS NOT NULL;
CREATE INDEX records_by_end ON records (hidden_after) WHERE shown <> 0 AND hidden_after IS NOT NULL;
CREATE INDEX records_by_ref ON envelopes (ref) WHERE ref IS NOT NULL;

CREATE VIRTUAL TABLE records_search USING fts5 (
  title, text, content = 'records', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE keeper_links (
  token_hash BLOB PRIMARY KEY,
  expires_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE keeper_sessions (
  token_hash BLOB PRIMARY KEY,
  expires_ms INTEGER NOT NULL
) STRICT;
