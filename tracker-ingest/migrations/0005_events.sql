-- How far the vehicle had gone in its life when a record was made, metres, where the device tells.
ALTER TABLE fixes ADD COLUMN odometer INTEGER;

-- What devices said of themselves: power, tampering, ignition, calls for help. Written in the transaction of the
-- record that said it, each once. `changed` is 0 where it is the first that was known and no change. Times are
-- unix ms; `device_time` is the device's own clock, `time` the same corrected.
CREATE TABLE events (
    id          INTEGER PRIMARY KEY,
    device      INTEGER NOT NULL,
    device_time INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    vehicle     TEXT    NOT NULL,
    received    INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    lat         REAL,
    lon         REAL,
    odometer    INTEGER,
    source      TEXT    NOT NULL,
    changed     INTEGER NOT NULL,
    UNIQUE (device, device_time, kind)
);
CREATE INDEX events_received ON events (received);
CREATE INDEX events_time ON events (time);
CREATE INDEX events_device_kind ON events (device, kind, time);
