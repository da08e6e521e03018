-- Node logs for the repair over radio: a place may hold what two nodes under one index wrote there; runs that are gone;
-- and the last counter heard of each node, so that last month's frames are known after a restart.

CREATE TABLE node_log_places (
  node_index INTEGER NOT NULL,
  number INTEGER NOT NULL,
  envelope INTEGER NOT NULL REFERENCES envelopes (id),
  PRIMARY KEY (node_index, number, envelope)
) STRICT, WITHOUT ROWID;
INSERT INTO node_log_places SELECT node_index, number, envelope FROM node_log;
DROP TABLE node_log;
ALTER TABLE node_log_places RENAME TO node_log;
CREATE INDEX node_log_by_envelope ON node_log (envelope);

CREATE TABLE node_log_gone (
  node_index INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (node_index, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE radio_heard (
  node_index INTEGER PRIMARY KEY,
  counter INTEGER NOT NULL
) STRICT;
