-- A device without a vehicle was taken off the list. Its row stays, so that its records keep their owner
-- and its number never becomes another's.
CREATE TABLE devices_2 (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL UNIQUE,
    vehicle    TEXT    UNIQUE,
    kind       TEXT    NOT NULL,
    label      TEXT,
    token_hash BLOB,
    added      INTEGER NOT NULL,
    -- When it was last heard, to the minute; unix ms.
    last_seen  INTEGER
);
INSERT INTO devices_2 (id, key, vehicle, kind, label, token_hash, added)
    SELECT id, key, vehicle, kind, label, token_hash, added FROM devices;
DROP TABLE devices;
ALTER TABLE devices_2 RENAME TO devices;

-- Counts the changes of the list, whoever makes them: a running server looks at it.
CREATE TABLE revision (devices INTEGER NOT NULL);
INSERT INTO revision (devices) VALUES (1);
CREATE TRIGGER devices_inserted AFTER INSERT ON devices
    BEGIN UPDATE revision SET devices = devices + 1; END;
CREATE TRIGGER devices_updated AFTER UPDATE OF key, vehicle, kind, label, token_hash ON devices
    BEGIN UPDATE revision SET devices = devices + 1; END;
CREATE TRIGGER devices_deleted AFTER DELETE ON devices
    BEGIN UPDATE revision SET devices = devices + 1; END;
