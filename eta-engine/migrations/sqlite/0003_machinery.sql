-- When the cells of a street's line were last passed: postcard of machinery::ledger::Cell, in the form of this
-- number. `line` names the line by its geometry; `passed` is the latest of its times, unix seconds.
CREATE TABLE street_passes (
    line   INTEGER PRIMARY KEY,
    form   INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    body   BLOB    NOT NULL
) STRICT;

-- Stays of machines in zones. Times are unix milliseconds; `left_at` is NULL while the stay lasts.
CREATE TABLE zone_visits (
    vehicle_id TEXT    NOT NULL,
    zone       TEXT    NOT NULL,
    entered    INTEGER NOT NULL,
    left_at    INTEGER,
    kind       TEXT    NOT NULL,
    PRIMARY KEY (vehicle_id, zone, entered)
) STRICT, WITHOUT ROWID;
CREATE INDEX zone_visits_entered ON zone_visits (entered);
