//! How good predictions are: pairs of what was predicted and what happened, added up into the measures
//! that others use, by the same definitions (`docs/accuracy.md`).
//!
//! Pure and incremental: a pair is taken once, memory does not grow with the number of pairs, and
//! parts that are merged give what the whole would have given, to the last bit. It makes no
//! predictions and decides nothing about them.
//!
//! ```text
//! files of a replay ─▶ files ─▶ scorer (the truth is known) ─┐
//!                                                            ├─▶ tally: cells by route, hour, stop ─▶ figures ─▶ table, JSON, page
//! running engine ────▶ judge (the truth comes later) ────────┘                 kept by day: book
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`bins`] | horizons, MBTA bins, the ETA Accuracy Benchmark |
//! | [`histogram`] | how values are spread, in bounded memory |
//! | [`measure`] | what is added up, and how parts are merged |
//! | [`coverage`] | minutes with something to see |
//! | [`tally`] | measures by route, hour and stop |
//! | [`figures`] | what a cell says, for people and programs |
//! | [`baseline`] | what predictions are held against |
//! | [`truth`] | what happened, known beforehand |
//! | [`scorer`] | predictions one by one against the truth |
//! | [`files`] | predictions and truth as CSV |
//! | [`judge`] | the running engine's predictions against its own stop events |
//! | [`book`] | the days a running engine keeps |
//! | [`gauges`] | the same for `/metrics` |

pub mod baseline;
pub mod bins;
pub mod book;
pub mod coverage;
pub mod figures;
pub mod files;
pub mod gauges;
pub mod histogram;
pub mod judge;
pub mod measure;
pub mod plot;
pub mod report;
pub mod scorer;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod truth;
pub mod words;
