//! How vehicles move, in figures: the same figures from any table of truth, a city's recording or a
//! simulated day, so that the one can be held against the other.
//!
//! It measures movement only. What a predictor makes of it is scored elsewhere.
//!
//! | part | what it is |
//! |---|---|
//! | [`rides`] | stop events with their timetable: links, lateness, headways to be measured |
//! | [`figures`] | the figures, and how each is defined |
//! | `report` | the figures as text |

pub mod figures;
mod report;
pub mod rides;
mod stats;

use std::io::Write as _;
use std::path::PathBuf;

pub use figures::Figures;
pub use rides::{ReadError, Rides};
use transit_model::timetable::Timetable;

/// Reads tables of truth, measures them together, and prints the figures.
///
/// # Errors
/// When a table cannot be read, or nobody reads what is printed.
pub fn command(paths: &[PathBuf], tt: &Timetable, json: bool) -> Result<(), crate::Failure> {
    let mut rides = Rides::new(tt);
    for path in paths {
        rides.read(path)?;
    }
    let figures = Figures::of(&rides);
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::json!(figures))?;
    } else {
        write!(out, "{}", report::text(&figures))?;
    }
    Ok(())
}
