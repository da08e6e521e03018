-- The radio's region, and whether notices of this node are said aloud in the Meshtastic channel.

ALTER TABLE node ADD COLUMN radio_region TEXT NOT NULL DEFAULT 'EU868';
ALTER TABLE node ADD COLUMN radio_announces INTEGER NOT NULL DEFAULT 0;
