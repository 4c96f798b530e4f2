//! The domain every part of Zupynka shares: the timetable, its geometry and its time, the AVL fix,
//! and the messages that travel between the parts.
//!
//! It does no I/O beyond reading a GTFS feed, and nothing in it reads the time by itself: the one
//! exception is [`clock`], which lives here only because every crate may depend on this one
//! (`docs/decisions/0002-clock.md`).
//!
//! | module | what it is |
//! |---|---|
//! | [`ids`] | typed indexes and names: `TripIdx`, `StopIdx`, `VehicleId`, … |
//! | [`units`] | `Metres`, `Seconds` |
//! | [`time`] | service days, service time past 24 h, unix time, the agency's zone |
//! | [`clock`] | where "now" comes from |
//! | [`plane`] | a city flattened to metres; polylines and projection onto them |
//! | [`timetable`] | GTFS as compact indexed arrays |
//! | [`gtfs`] | reading a feed, reporting what is wrong in it, writing one |
//! | [`gtfs_rt`] | the messages of GTFS-Realtime |
//! | [`fix`] | one AVL fix |
//! | [`lang`] | Ukrainian first, English second |
//! | [`board`] | the live board message |
//! | [`dispatch`] | the dispatcher's stream |
//! | [`endpoint`] | a server's address, and the addresses clients make of it |
//! | [`backoff`] | how long a client waits before it tries again |
//! | [`follow`] | the server's clock between two messages |
//! | [`cells`] | text measured in terminal cells |
//! | [`warfare`] | jamming and spoofing of satellite receivers |

pub mod backoff;
pub mod board;
pub mod cells;
pub mod clock;
pub mod dispatch;
pub mod endpoint;
pub mod fix;
pub mod follow;
pub mod gtfs;
pub mod gtfs_rt;
pub mod ids;
pub mod lang;
mod offsets;
pub mod plane;
pub mod time;
pub mod timetable;
pub mod units;
pub mod warfare;
