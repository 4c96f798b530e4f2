//! Which trip a vehicle is on, and where on it: deterministic, causal, one fix at a time.
//!
//! A vehicle carries a few hypotheses (a trip and a distance along it). Each fix moves every one of
//! them along its line and adds what the move costs: distance to the line, heading, going backwards.
//! The timetable, the block and what other vehicles run are costs too, and so is changing trips
//! anywhere but at a terminal. The cheapest one holds, and gives way only to one that is clearly
//! cheaper. `docs/matching.md` has the constants and their reasons.
//!
//! | module | what it is |
//! |---|---|
//! | [`day`] | the trips of one service day |
//! | [`network`] | which lines pass near a point |
//! | `grid` | things by place |
//! | [`snap`] | a fix brought onto the line it is believed to run on |
//! | [`cost`] | what everything costs |
//! | [`hypothesis`] | one of them: how a fix moves it, what it costs |
//! | `candidates` | the trips that could be here now |
//! | [`track`] | the hypotheses of one vehicle, and which holds |
//! | [`trust`] | whether the trip a vehicle names can be true |
//! | [`explain`] | why it is on the trip it is on |

mod candidates;
pub mod cost;
pub mod day;
pub mod explain;
mod grid;
pub mod hypothesis;
pub mod network;
pub mod snap;
#[cfg(test)]
mod tests;
pub mod track;
pub mod trust;
