-- Devices that may send, and the vehicles they are fitted to.
CREATE TABLE devices (
    id         INTEGER PRIMARY KEY,
    key        TEXT    NOT NULL UNIQUE,
    vehicle    TEXT    NOT NULL UNIQUE,
    kind       TEXT    NOT NULL,
    label      TEXT,
    token_hash BLOB,
    added      INTEGER NOT NULL
);

-- Devices that tried to send and are on no list.
CREATE TABLE quarantine (
    key        TEXT    PRIMARY KEY,
    source     TEXT    NOT NULL,
    address    TEXT    NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    times      INTEGER NOT NULL,
    lat        REAL,
    lon        REAL
) WITHOUT ROWID;

-- Every record of a known device, once. `mark` is NULL for a fix that was live, else the reason it was
-- not. Times are unix ms; `device_time` is the device's own clock, `time` the same corrected.
CREATE TABLE fixes (
    id          INTEGER PRIMARY KEY,
    device      INTEGER NOT NULL,
    device_time INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    vehicle     TEXT    NOT NULL,
    received    INTEGER NOT NULL,
    time        INTEGER NOT NULL,
    lat         REAL,
    lon         REAL,
    speed       REAL,
    bearing     REAL,
    trip_id     TEXT,
    route_id    TEXT,
    start_date  INTEGER,
    source      TEXT    NOT NULL,
    mark        TEXT,
    UNIQUE (device, device_time, sequence)
);
CREATE INDEX fixes_received ON fixes (received);
