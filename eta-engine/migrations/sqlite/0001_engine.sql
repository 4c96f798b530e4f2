-- What was learned of each link: postcard of learning::links::LinkStats.
CREATE TABLE model_links (
    link_key INTEGER PRIMARY KEY,
    stats    BLOB NOT NULL
) STRICT;

-- What was learned and belongs to no link: postcard, one row a part.
CREATE TABLE model_parts (
    name TEXT PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Calls that were made. Times are unix milliseconds.
CREATE TABLE stop_events (
    service_date  TEXT    NOT NULL,
    trip_id       TEXT    NOT NULL,
    run_start     TEXT    NOT NULL DEFAULT '',
    stop_sequence INTEGER NOT NULL,
    vehicle_id    TEXT    NOT NULL,
    stop_id       TEXT    NOT NULL,
    arrival       INTEGER,
    departure     INTEGER,
    PRIMARY KEY (service_date, trip_id, run_start, stop_sequence, vehicle_id)
) STRICT, WITHOUT ROWID;

-- Bearer tokens, SHA-256 of the text. Times are unix milliseconds.
CREATE TABLE tokens (
    hash       BLOB PRIMARY KEY,
    role       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    expires_at INTEGER,
    revoked    INTEGER NOT NULL DEFAULT 0
) STRICT;
