-- What was decided of what the public sees. Times are unix milliseconds; body is JSON of public::measure::Measure
-- without what the other columns say.
CREATE TABLE measures (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    made  INTEGER NOT NULL,
    over  INTEGER,
    body  TEXT    NOT NULL
) STRICT;
CREATE INDEX measures_over ON measures (over);

-- Who did what, when and why. Rows are added and never changed.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    who     TEXT    NOT NULL,
    role    TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    reason  TEXT    NOT NULL,
    body    TEXT    NOT NULL
) STRICT;
