//! `gps_full.txt`, the list of a city's vehicles that Baltic cities publish (`docs/protocols/gps-full.md`): lines of
//! comma-separated fields, nothing quoted.
//!
//! ```text
//! Transportas,Marsrutas,ReisoID,MasinosNumeris,Ilguma,Platuma,Greitis,Azimutas,…    the columns are named
//! Troleibusai,7,4521,1664,25279651,54687157,31,87,…
//! 3,4,24745731,59437216,,212,176,…                                                  or stand as Tallinn's do
//! ```
//!
//! Degrees are in millionths, speed in km/h, time in seconds after midnight of the city. A line that is wrong loses no
//! other. Not here: the fetching, and what was there before.

use transit_model::fix::Reported;
use transit_model::time::{ServiceTime, UnixMs, Zone};

use super::error::DecodeErrorKind as Kind;
use super::fields::{Attributes, KMH, course, plain};
use super::model::digest;
use super::{DecodeError, DeviceKey, Message, Position, Record, Sniff};

/// The longest list taken, bytes: some hundred thousand vehicles.
pub const MAX_LIST: usize = 16 << 20;
/// So far, ms, a publisher's clock may be ahead of ours before a time of day is taken for yesterday's.
const AHEAD: i64 = 120_000;
/// Millionths of a degree.
const MICRO: f64 = 1e6;
/// What stands for no course.
const NO_COURSE: f64 = 999.0;
/// The columns of a list that names none, of which the rest is passed over.
const UNNAMED: &[Column] =
    &[Column::Mode, Column::Route, Column::Lon, Column::Lat, Column::Speed, Column::Course, Column::Vehicle];

/// A column we read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Column {
    Mode,
    Route,
    Vehicle,
    Lon,
    Lat,
    Speed,
    Course,
    TripStart,
    Deviation,
    Time,
    Towards,
    Trip,
    Other,
}

impl Column {
    fn named(name: &str) -> Self {
        match name.trim().to_ascii_lowercase().as_str() {
            "transportas" => Self::Mode,
            "marsrutas" => Self::Route,
            "masinosnumeris" => Self::Vehicle,
            "ilguma" => Self::Lon,
            "platuma" => Self::Lat,
            "greitis" => Self::Speed,
            "azimutas" => Self::Course,
            "reisopradziaminutemis" => Self::TripStart,
            "nuokrypissekundemis" => Self::Deviation,
            "matavimolaikas" => Self::Time,
            "kryptiespavadinimas" => Self::Towards,
            "reisoidgtfs" => Self::Trip,
            _ => Self::Other,
        }
    }
}

/// What a list came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct List {
    /// Its vehicles, in the order they stand; each names its device.
    pub records: Vec<Record>,
    /// The lines that could not be read.
    pub faults: Vec<DecodeError>,
}

/// Whether bytes begin as a list does: with the name of its first column, or with a kind of transport in a digit.
#[must_use]
pub fn sniff(first: &[u8]) -> Sniff {
    const NAME: &[u8] = b"transportas";
    let first = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first);
    let begins = first.iter().zip(NAME).all(|(a, b)| a.to_ascii_lowercase() == *b);
    match first {
        [] => Sniff::NeedMore,
        [a, b, ..] if a.is_ascii_digit() => {
            if *b == b',' {
                Sniff::Yes
            } else {
                Sniff::No
            }
        }
        [a] if a.is_ascii_digit() => Sniff::NeedMore,
        _ if begins && first.len() >= NAME.len() => Sniff::Yes,
        _ if begins => Sniff::NeedMore,
        _ => Sniff::No,
    }
}

/// Reads a list that we had at a moment, with times of day in a zone. `made` is when the publisher made it, where it
/// says so: the time of vehicles that have none of their own.
///
/// # Errors
/// When it is too long, is no list, or has lines of which none can be read.
pub fn decode(bytes: &[u8], received: UnixMs, made: Option<UnixMs>, zone: &Zone) -> Result<List, DecodeError> {
    if bytes.len() > MAX_LIST {
        let detail = format!("{} bytes; at most {MAX_LIST} are taken", bytes.len());
        return Err(DecodeError::new(Kind::Oversize, 0, detail));
    }
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes));
    let mut lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()).peekable();
    let Some((_, first)) = lines.peek().copied() else {
        return Err(DecodeError::new(Kind::MissingField, 0, "the list is empty: it has not even a header"));
    };
    let named: Vec<Column> = first.split(',').map(Column::named).collect();
    let columns = if named.contains(&Column::Vehicle) {
        for (needed, name) in [(Column::Lon, "Ilguma"), (Column::Lat, "Platuma")] {
            if !named.contains(&needed) {
                return Err(DecodeError::new(Kind::MissingField, 0, format!("the header has no column `{name}`")));
            }
        }
        lines.next();
        Columns { all: named, exact: true }
    } else if sniff(first.as_bytes()) == Sniff::Yes {
        Columns { all: UNNAMED.to_vec(), exact: false }
    } else {
        let shown: String = first.chars().take(40).collect();
        let detail = format!("no list of vehicles: it begins with `{shown}`");
        return Err(DecodeError::new(Kind::BadPreamble, 0, detail));
    };
    let dates = Dates { received, made, zone };
    let mut list = List::default();
    for (n, line) in lines {
        match columns.read(line, &dates) {
            Ok(record) => list.records.push(record),
            Err((kind, detail)) => {
                list.faults.push(DecodeError::new(kind, 0, format!("line {}: {detail}", n + 1)));
            }
        }
    }
    match list.faults.first() {
        Some(fault) if list.records.is_empty() => Err(fault.clone()),
        _ => Ok(list),
    }
}

/// The list as other protocols' messages are: its records, and the first line that could not be read.
///
/// # Errors
/// As [`decode`].
pub fn decode_message(
    bytes: &[u8],
    received: UnixMs,
    zone: &Zone,
) -> Result<(Message, Option<DecodeError>), DecodeError> {
    let List { records, faults } = decode(bytes, received, None, zone)?;
    Ok((Message::Records(records), faults.into_iter().next()))
}

struct Columns {
    all: Vec<Column>,
    /// Whether every line has as many fields as the header: one with more has a comma within a name, and what stands
    /// behind it cannot be told from what should.
    exact: bool,
}

type Fault = (Kind, String);

impl Columns {
    fn read(&self, line: &str, dates: &Dates<'_>) -> Result<Record, Fault> {
        let fields: Vec<&str> = line.split(',').map(|f| f.trim().trim_matches('"')).collect();
        let (have, want) = (fields.len(), self.all.len());
        if self.exact && have != want || have < want {
            return Err((Kind::BadLength, format!("{have} fields, where {want} were expected")));
        }
        let field = |column: Column| {
            let at = self.all.iter().position(|c| *c == column)?;
            fields.get(at).copied().filter(|f| !f.is_empty())
        };
        let number = |column: Column, name: &str| match field(column) {
            None => Ok(None),
            Some(f) => plain(f).map(Some).ok_or_else(|| (Kind::BadField, format!("the {name} is `{}`", clip(f)))),
        };
        let vehicle = field(Column::Vehicle).and_then(DeviceKey::of_name);
        let vehicle = vehicle.ok_or_else(|| (Kind::MissingField, "no vehicle".to_owned()))?;
        let time = match number(Column::Time, "time of day")? {
            Some(secs) => Some(dates.of(secs)?),
            None => Some(dates.made.unwrap_or(dates.received)),
        };
        let (lon, lat) = (number(Column::Lon, "longitude")?, number(Column::Lat, "latitude")?);
        let kmh = number(Column::Speed, "speed")?.filter(|v| *v >= 0.0);
        let degrees = number(Column::Course, "course")?.filter(|v| (*v - NO_COURSE).abs() > 0.5);
        // A vehicle without a fix stands at 0, 0.
        let place = lat.zip(lon).filter(|(lat, lon)| *lat != 0.0 || *lon != 0.0);
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, and a speed is small")]
        let position = place.map(|(lat, lon)| Position {
            lat: lat / MICRO,
            lon: lon / MICRO,
            speed: kmh.map(|v| (v / KMH) as f32),
            bearing: degrees.and_then(course),
            valid: true,
            ..Position::default()
        });
        let sequence = place.map_or(0, |(lat, lon)| digest(format!("{lat},{lon}").as_bytes()));
        let mut attributes = Attributes::default();
        for (column, name) in [(Column::Mode, "mode"), (Column::Route, "route"), (Column::Towards, "towards")] {
            if let Some(words) = field(column).and_then(Reported::word) {
                attributes.text(name, &words);
            }
        }
        if let Some(secs) = number(Column::Deviation, "deviation")? {
            attributes.number("deviation", secs);
        }
        // The label of a route is what the feed calls its short name: no route_id, and what is on the sign.
        let shown = [field(Column::Route), field(Column::Towards)].into_iter().flatten();
        let sign = Reported::word(&shown.collect::<Vec<_>>().join(" "));
        let start = number(Column::TripStart, "start of the trip")?.filter(|m| (0.0..=4320.0).contains(m));
        #[expect(clippy::cast_possible_truncation, reason = "within the range just asked for")]
        let start_time = start.map(|minutes| ServiceTime((minutes * 60.0) as i32));
        let trip_id = field(Column::Trip).map(Into::into);
        let reported = Reported { trip_id, sign, start_time, ..Reported::default() };
        Ok(Record { device: Some(vehicle), time, sequence, position, reported, attributes: attributes.0 })
    }
}

fn clip(field: &str) -> String {
    field.chars().take(40).collect()
}

/// What times of day are of.
struct Dates<'a> {
    received: UnixMs,
    made: Option<UnixMs>,
    zone: &'a Zone,
}

impl Dates<'_> {
    /// The moment of a time of day, which goes on past 24 hours where the service day does: the last one that is not
    /// ahead of us. A vehicle that was parked at eight yesterday is not one from the future at seven today.
    fn of(&self, secs: f64) -> Result<UnixMs, Fault> {
        if !(0.0..172_800.0).contains(&secs) {
            return Err((Kind::BadField, format!("the time of day is {secs} s; 0 to 172800 are expected")));
        }
        #[expect(clippy::cast_possible_truncation, reason = "within the range just asked for")]
        let on_the_wall = ServiceTime(secs as i32);
        let today = self.zone.date(self.received);
        let latest = self.received.0.saturating_add(AHEAD);
        let days = [1, 0, -1, -2, -3].map(|n| self.zone.at(today.plus_days(n), on_the_wall));
        let last = days.into_iter().find(|t| t.0 <= latest);
        last.ok_or_else(|| (Kind::BadField, format!("the time of day is {secs} s")))
    }
}

#[cfg(test)]
mod tests;
