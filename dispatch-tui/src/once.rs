//! The views without a terminal: the same rows as JSON, CSV or a plain table.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value, json};
use transit_model::cells::{left, width};
use transit_model::dispatch::VehicleView;
use transit_model::time::Zone;

use crate::Failure;
use crate::position::rails;
use crate::state::{Now, Spot};
use crate::views::{devices, ladder, machinery, overview, vehicle};

/// A view of the dispatcher's program (DESIGN §2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Default)]
pub enum View {
    /// A row a route, what needs attention first
    #[default]
    Overview,
    /// A route's vehicles by their place on the line (with --route)
    Ladder,
    /// Not in this build yet
    Headways,
    /// Not in this build yet
    Map,
    /// Not in this build yet
    Alerts,
    /// A vehicle and its next stops (with --vehicle)
    Vehicle,
    /// Not in this build yet
    Stop,
    /// Not in this build yet
    Equipment,
    /// Municipal machines, and the streets not passed for longest
    Machinery,
    /// The trackers: who is heard, whose clock is off, what is refused
    Devices,
    /// Not in this build yet
    Accuracy,
    /// Not in this build yet
    Log,
}

impl View {
    /// Whether this build has it.
    #[must_use]
    pub const fn is_built(self) -> bool {
        matches!(self, Self::Overview | Self::Ladder | Self::Vehicle | Self::Machinery | Self::Devices)
    }

    /// As it is written on the command line.
    #[must_use]
    pub fn name(self) -> String {
        self.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default()
    }
}

/// How `--once` prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Output {
    /// One JSON object
    Json,
    /// Comma-separated values with a head
    Csv,
    /// Columns of text
    Table,
}

/// What of the feed is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Question {
    /// The view.
    pub view: View,
    /// `route_id`, or what is written on the vehicle.
    pub route: Option<String>,
    /// The vehicle.
    pub vehicle: Option<String>,
}

/// The answer, ready to print.
///
/// # Errors
/// When there is no such route or vehicle, or the view is not built or lacks its argument.
pub fn answer(now: Now<'_>, question: &Question, output: Output) -> Result<String, Failure> {
    match question.view {
        View::Overview => {
            let plus = [("concerns", serde_json::to_value(&now.state.concerns))];
            print(now, question, "routes", &overview::rows(now), plus, output)
        }
        View::Ladder => {
            let asked = question.route.as_deref().ok_or(Failure::Missing("--view ladder", "--route"))?;
            let asked_for = Spot { route: Some(asked.to_owned()), ..Spot::default() };
            let found = ladder::route(&asked_for, now).filter(|r| r.id == asked || r.name == asked);
            let route = found.ok_or_else(|| Failure::NoSuch("route", asked.to_owned(), now.state.feed.clone()))?;
            let plus =
                [("route", serde_json::to_value(route)), ("rails", serde_json::to_value(rails(now.state, &route.id)))];
            print(now, question, "vehicles", &ladder::rows(now, &route.id), plus, output)
        }
        View::Vehicle => {
            let asked = question.vehicle.as_deref().ok_or(Failure::Missing("--view vehicle", "--vehicle"))?;
            let found = now.state.vehicles.iter().find(|v| v.id == asked);
            let v = found.ok_or_else(|| Failure::NoSuch("vehicle", asked.to_owned(), now.state.feed.clone()))?;
            // The stops stand beside the vehicle, not in it once more.
            let alone = VehicleView { stops_ahead: Vec::new(), ..v.clone() };
            let plus = [("vehicle", serde_json::to_value(alone)), ("age_s", Ok(json!(now.age(v.fix_time))))];
            print(now, question, "stops", &vehicle::rows(now, v), plus, output)
        }
        View::Devices => {
            let plus = [("reasons", serde_json::to_value(&now.state.devices.reasons))];
            print(now, question, "devices", &devices::rows(now), plus, output)
        }
        View::Machinery => {
            let (machines, streets) = (machinery::machines(now), machinery::streets(now));
            let m = &now.state.machinery;
            let zone = Zone::named(&now.state.zone).unwrap_or_else(|_| Zone::utc());
            if output != Output::Json {
                let both: Vec<_> = machines.into_iter().chain(streets).collect();
                return print(now, question, "machines", &both, [], output);
            }
            let plus = [
                ("streets", serde_json::to_value(&streets)),
                ("shift", Ok(json!(m.shift.rfc3339(&zone)))),
                ("streets_in_all", Ok(json!(m.streets_in_all))),
                ("percent", Ok(json!(m.percent))),
            ];
            print(now, question, "machines", &machines, plus, output)
        }
        other => Err(Failure::NotBuilt(other.name())),
    }
}

fn print<T: Serialize + Default>(
    now: Now<'_>,
    question: &Question,
    list: &str,
    rows: &[T],
    plus: impl IntoIterator<Item = (&'static str, serde_json::Result<Value>)>,
    output: Output,
) -> Result<String, Failure> {
    match output {
        Output::Json => {
            let mut all = Map::new();
            all.insert("view".to_owned(), json!(question.view.name()));
            all.insert("feed".to_owned(), json!(now.state.feed));
            all.insert("as_of".to_owned(), json!(now.state.as_of));
            all.insert(list.to_owned(), serde_json::to_value(rows).map_err(std::io::Error::from)?);
            for (name, value) in plus {
                all.insert(name.to_owned(), value.map_err(std::io::Error::from)?);
            }
            Ok(serde_json::to_string_pretty(&all).map_err(std::io::Error::from)? + "\n")
        }
        Output::Csv => records(rows).and_then(|records| csv_text(&records)),
        Output::Table => Ok(table(&records(rows)?)),
    }
}

/// The head and the rows, as CSV has them.
fn records<T: Serialize + Default>(rows: &[T]) -> Result<Vec<csv::StringRecord>, Failure> {
    let failed = |e: csv::Error| Failure::Io(std::io::Error::other(e));
    // A blank row first: it is what the head is made of when there are no others.
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.serialize(T::default()).map_err(failed)?;
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|e| Failure::Io(e.into_error()))?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    let all: Result<Vec<_>, _> = reader.records().collect();
    let blank = 1;
    Ok(all.map_err(failed)?.into_iter().enumerate().filter(|(n, _)| *n != blank).map(|(_, r)| r).collect())
}

fn csv_text(records: &[csv::StringRecord]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.write_record(record).map_err(|e| Failure::Io(std::io::Error::other(e)))?;
    }
    let bytes = writer.into_inner().map_err(|e| Failure::Io(e.into_error()))?;
    String::from_utf8(bytes).map_err(|e| Failure::Io(std::io::Error::other(e)))
}

fn table(records: &[csv::StringRecord]) -> String {
    let columns = records.first().map_or(0, csv::StringRecord::len);
    let widest = |n: usize| records.iter().filter_map(|r| r.get(n)).map(width).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    let mut out = String::new();
    for record in records {
        let line: Vec<String> = record.iter().zip(&widths).map(|(text, cells)| left(text, *cells)).collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}
