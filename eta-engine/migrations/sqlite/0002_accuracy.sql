-- How good predictions were on a service day: postcard of accuracy::measure::Cell (all, stop) or of
-- accuracy::tally::Hours (route), in the form of this number.
CREATE TABLE accuracy (
    service_date TEXT    NOT NULL,
    part         TEXT    NOT NULL CHECK (part IN ('all', 'route', 'stop')),
    id           TEXT    NOT NULL,
    form         INTEGER NOT NULL,
    body         BLOB    NOT NULL,
    PRIMARY KEY (service_date, part, id)
) STRICT;
