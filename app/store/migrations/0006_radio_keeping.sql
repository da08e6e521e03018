-- What a radio may not forget: the hour's airtime and the last receipt heard of each node; and the keeper's settings for
-- Meshtastic.

CREATE TABLE radio_airtime (
  band TEXT NOT NULL,
  class INTEGER NOT NULL,
  ago_ms INTEGER NOT NULL,
  ms REAL NOT NULL,
  PRIMARY KEY (band, class, ago_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE radio_receipts (
  node_index INTEGER PRIMARY KEY,
  counter INTEGER NOT NULL
) STRICT;

ALTER TABLE node ADD COLUMN meshtastic_channel TEXT NOT NULL DEFAULT '';
ALTER TABLE node ADD COLUMN meshtastic_hops INTEGER NOT NULL DEFAULT 1;
