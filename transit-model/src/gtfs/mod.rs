//! Reading a GTFS feed, reporting what is wrong in it, writing one.
