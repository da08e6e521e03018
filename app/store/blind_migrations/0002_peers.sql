-- Sync: this machine's sync key, the peers that it knows by their certificates, and the invitations it has out.

CREATE TABLE sync_key (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  seed BLOB NOT NULL CHECK (length(seed) = 32),
  port INTEGER                                -- where it listened last
) STRICT;

CREATE TABLE peers (
  peer_id BLOB PRIMARY KEY CHECK (length(peer_id) = 32),
  certificate BLOB NOT NULL,
  name TEXT NOT NULL,
  node_index INTEGER NOT NULL,                -- its place in the roster: custody is counted under it
  role INTEGER NOT NULL,                      -- 0 a member of our community, 1 blind: it stores what it can't read
  photos INTEGER NOT NULL,                    -- whether photos travel to it
  quota_mb INTEGER,                           -- what a blind peer stores at most; null without a limit
  addresses TEXT NOT NULL,                    -- host:port, one a line; empty when it only dials
  added_ms INTEGER NOT NULL,
  connected_ms INTEGER,                       -- since when; null when it is not
  seen_ms INTEGER,                            -- when it was last there
  replaced INTEGER NOT NULL DEFAULT 0,        -- how often a later connection took the place of one that stood
  fault TEXT,                                 -- why the last attempt ended
  proved_ms INTEGER,                          -- when it last proved that it holds what it said
  unproved_ms INTEGER                         -- when it last could not
) STRICT;

CREATE TABLE peer_invitations (
  certificate BLOB PRIMARY KEY,               -- that its holder shows; the secret in the code is kept nowhere
  role INTEGER NOT NULL,
  photos INTEGER NOT NULL,
  quota_mb INTEGER,
  expires_ms INTEGER NOT NULL,
  spent_by BLOB                               -- the peer that used it, and may ask again if the answer was lost
) STRICT;
