//! A city that moves: its vehicles, their drivers, the traffic and the trackers, and the truth about
//! all of them.
//!
//! It stands where a city's fleet would stand: it speaks the trackers' own protocols to the real
//! listeners, so nothing of the system knows that the vehicles are not there. It is never needed in
//! production. What it models and what not: `docs/simulator.md`.
//!
//! | module | what it is |
//! |---|---|
//! | [`city`] | the demo city as a GTFS feed |
//! | [`newcity`] | a city of any size that never was, as a GTFS feed |
//! | [`drive`] | how the vehicles of any feed move: the truth |
//! | [`tracker`] | what the trackers in them see of it, and what they lose |
//! | [`fleet`] | all of it together: plans by day, fixes in the order a server has them |
//! | [`corpus`] | days written down: fixes, and what truly happened |
//! | [`hearing`] | what the ingest's gate makes of what trackers say |
//! | [`scenario`] | a city, a time, what goes wrong, and what to expect, as TOML |
//! | [`args`] | `zupynka simulate` |
//! | [`send`] | the fleet on the wire, through the trackers' own protocols |
//! | [`measure`] | how vehicles move, in figures: recordings and simulated days alike |
//! | [`recording`] | a recorded case, played as if its vehicles were here now |
//! | [`load`] | so many records a second by the clock, whatever the server does |

pub mod args;
pub mod city;
pub mod corpus;
pub mod drive;
pub mod fleet;
pub mod hearing;
pub mod load;
pub mod measure;
pub mod newcity;
pub mod recording;
pub mod scenario;
pub mod send;
pub mod tracker;

mod chance;
mod paper;
mod play;
mod streets;
mod written;

pub use args::{Args, Failure, run};
