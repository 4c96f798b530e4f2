-- What is usual for a device is learned, its clock is measured, and a vehicle may have a second tracker.
CREATE TABLE devices_4 (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL UNIQUE,
    -- Of more than one device only where the second was put beside the first on purpose.
    vehicle    TEXT,
    kind       TEXT    NOT NULL,
    label      TEXT,
    token_hash BLOB,
    added      INTEGER NOT NULL,
    last_seen  INTEGER,
    -- `raise` or `refuse` when it is not as it always was; NULL = as the configuration says.
    binding    TEXT,
    -- Grows by one when what is known of it shall be learned anew.
    epoch      INTEGER NOT NULL DEFAULT 0
);
INSERT INTO devices_4 (id, key, vehicle, kind, label, token_hash, added, last_seen)
    SELECT id, key, vehicle, kind, label, token_hash, added, last_seen FROM devices;
DROP TABLE devices;
ALTER TABLE devices_4 RENAME TO devices;
CREATE INDEX devices_vehicle ON devices (vehicle);

-- The triggers went with the table.
CREATE TRIGGER devices_inserted AFTER INSERT ON devices
    BEGIN UPDATE revision SET devices = devices + 1; END;
CREATE TRIGGER devices_updated AFTER UPDATE OF key, vehicle, kind, label, token_hash, binding, epoch ON devices
    BEGIN UPDATE revision SET devices = devices + 1; END;
CREATE TRIGGER devices_deleted AFTER DELETE ON devices
    BEGIN UPDATE revision SET devices = devices + 1; END;

-- What is usual for a device, as JSON; of another epoch than the device's it is void.
CREATE TABLE bindings (
    device  INTEGER PRIMARY KEY,
    epoch   INTEGER NOT NULL,
    learned TEXT    NOT NULL
);

-- How far a device's clock is known to be ahead (negative: behind), ms; only of those that are.
CREATE TABLE clocks (
    device    INTEGER PRIMARY KEY,
    offset_ms INTEGER NOT NULL,
    since     INTEGER NOT NULL
);
