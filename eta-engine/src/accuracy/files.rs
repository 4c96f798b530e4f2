//! Predictions and truth as CSV (`.csv`, `.csv.gz`, `.csv.zst`), read row by row.

use std::path::Path;

use csv::{ByteRecord, Position};
use transit_model::time::{ServiceDate, UnixMs};

use super::measure::Sample;
use super::scorer::{OutOfOrder, PredictionRow};
use super::truth::StopRow;
use crate::replay::files::{ReadError, open};

/// A table with a header, row by row.
struct Table<'a> {
    name: String,
    csv: csv::Reader<Box<dyn std::io::Read>>,
    columns: Vec<Option<usize>>,
    wanted: &'a [(&'static str, bool)],
    row: ByteRecord,
}

/// A column of a [`Table`], by its place in what is wanted.
type Column = usize;

impl<'a> Table<'a> {
    /// Opens a file with these columns; `true` = it cannot do without.
    fn open(path: &Path, wanted: &'a [(&'static str, bool)]) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let io = |source| ReadError::Io { path: name.clone(), source };
        let reader = open(path).map_err(io)?;
        let mut csv = csv::ReaderBuilder::new().flexible(true).buffer_capacity(1 << 18).from_reader(reader);
        let header = csv.byte_headers().map_err(|e| io(std::io::Error::other(e)))?.clone();
        let bare = |h: &[u8]| h.strip_prefix(b"\xef\xbb\xbf").unwrap_or(h).trim_ascii().to_vec();
        let mut columns = Vec::with_capacity(wanted.len());
        for (column, needed) in wanted {
            let at = header.iter().position(|h| bare(h) == column.as_bytes());
            if at.is_none() && *needed {
                return Err(ReadError::Column { path: name, column });
            }
            columns.push(at);
        }
        Ok(Self { name, csv, columns, wanted, row: ByteRecord::new() })
    }

    fn next(&mut self) -> Result<bool, ReadError> {
        let name = &self.name;
        self.csv
            .read_byte_record(&mut self.row)
            .map_err(|e| ReadError::Io { path: name.clone(), source: std::io::Error::other(e) })
    }

    fn raw(&self, column: Column) -> &[u8] {
        let at = self.columns.get(column).copied().flatten();
        at.and_then(|at| self.row.get(at)).unwrap_or(b"").trim_ascii()
    }

    #[cold]
    fn bad(&self, column: Column, wanted: &'static str) -> ReadError {
        ReadError::Value {
            path: self.name.clone(),
            line: self.row.position().map_or(0, Position::line),
            column: self.wanted.get(column).map_or("", |(name, _)| name),
            value: String::from_utf8_lossy(self.raw(column)).into_owned(),
            wanted,
        }
    }

    fn text(&self, column: Column) -> Result<&str, ReadError> {
        std::str::from_utf8(self.raw(column)).map_err(|_| self.bad(column, "UTF-8"))
    }

    fn date(&self, column: Column) -> Result<ServiceDate, ReadError> {
        self.text(column)?.parse().map_err(|_| self.bad(column, "a date of the form YYYYMMDD"))
    }

    fn sequence(&self, column: Column) -> Result<u32, ReadError> {
        self.text(column)?.parse().map_err(|_| self.bad(column, "a stop_sequence: a whole number, 0 or more"))
    }

    /// A moment; nothing where it is blank.
    fn time(&self, column: Column) -> Result<Option<UnixMs>, ReadError> {
        match self.raw(column) {
            b"" => Ok(None),
            text => unix(text).map(Some).ok_or_else(|| self.bad(column, "a time in unix seconds")),
        }
    }
}

/// Unix seconds, whole or with a fraction, to the millisecond.
fn unix(text: &[u8]) -> Option<UnixMs> {
    let whole = text.iter().try_fold(0i64, |n, b| {
        let digit = i64::from(b.wrapping_sub(b'0'));
        if digit > 9 { None } else { n.checked_mul(10)?.checked_add(digit) }
    });
    if let Some(whole) = whole {
        return Some(UnixMs::from_secs(whole));
    }
    let seconds: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (seconds.abs() < 1e11).then(|| UnixMs::from_secs_f64(seconds))
}

/// Reads a file of truth (`service_date,trip_id,vehicle_id,stop_sequence,stop_id,arrival,departure`).
///
/// # Errors
/// When it cannot be read, lacks a column, or a row is not of the form; the first such row is named.
pub fn truth(path: &Path, mut each: impl FnMut(&StopRow<'_>)) -> Result<(), ReadError> {
    const WANTED: [(&str, bool); 7] = [
        ("service_date", true),
        ("trip_id", true),
        ("vehicle_id", false),
        ("stop_sequence", true),
        ("stop_id", true),
        ("arrival", true),
        ("departure", false),
    ];
    let mut table = Table::open(path, &WANTED)?;
    while table.next()? {
        each(&StopRow {
            date: table.date(0)?,
            trip: table.text(1)?,
            vehicle: table.text(2)?,
            seq: table.sequence(3)?,
            stop: table.text(4)?,
            arrival: table.time(5)?,
            departure: table.time(6)?,
        });
    }
    Ok(())
}

/// Reads a file of predictions
/// (`made_at,vehicle_id,trip_id,service_date,stop_sequence,stop_id,arrival,arrival_p10,arrival_p90,departure`).
/// Rows without an arrival (first stops, which nobody arrives at) are passed over.
///
/// # Errors
/// When it cannot be read, lacks a column, a row is not of the form, or the rows of one call are not in the
/// order they were made; the first such row is named.
pub fn predictions(
    path: &Path,
    mut each: impl FnMut(&PredictionRow<'_>) -> Result<(), OutOfOrder>,
) -> Result<(), ReadError> {
    const WANTED: [(&str, bool); 8] = [
        ("made_at", true),
        ("trip_id", true),
        ("service_date", true),
        ("stop_sequence", true),
        ("stop_id", false),
        ("arrival", true),
        ("arrival_p10", false),
        ("arrival_p90", false),
    ];
    const ORDER: &str = "at or after the rows of the same call before it (sort the file by made_at)";
    let mut table = Table::open(path, &WANTED)?;
    while table.next()? {
        let Some(arrival) = table.time(5)? else { continue };
        let made = table.time(0)?.ok_or_else(|| table.bad(0, "a time in unix seconds (it is needed)"))?;
        let row = PredictionRow {
            date: table.date(2)?,
            trip: table.text(1)?,
            seq: table.sequence(3)?,
            stop: table.text(4)?,
            sample: Sample { made, arrival, interval: table.time(6)?.zip(table.time(7)?) },
        };
        each(&row).map_err(|OutOfOrder| table.bad(0, ORDER))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_to_the_millisecond() {
        for (text, ms) in [
            ("1787102531", Some(1_787_102_531_000)),
            ("1787102531.2", Some(1_787_102_531_200)),
            ("1.5e9", Some(1_500_000_000_000)),
            ("-1.5", Some(-1500)),
            ("", Some(0)),
            ("soon", None),
            ("99999999999999999999", None),
            ("NaN", None),
            ("inf", None),
        ] {
            assert_eq!(unix(text.as_bytes()).map(|t| t.0), ms, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_column_and_value() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.csv");
        let head = "made_at,trip_id,service_date,stop_sequence,arrival\n";
        let mut last = 0;
        for (rows, said) in [
            (
                "100,T,20260506,1,200\n160,T,20260506,1,soon\n",
                "p.csv, line 3, column `arrival`: `soon` is not a time in unix seconds",
            ),
            ("100,T,yesterday,1,200\n", "line 2, column `service_date`: `yesterday`"),
            ("100,T,20260506,-1,200\n", "column `stop_sequence`: `-1`"),
            (",T,20260506,1,200\n", "column `made_at`: ``"),
            ("160,T,20260506,1,200\n100,T,20260506,1,200\n", "line 3, column `made_at`: `100` is not at or after"),
        ] {
            std::fs::write(&path, format!("{head}{rows}")).unwrap();
            let e = predictions(&path, |row| {
                let back = row.sample.made.secs() < last && rows.starts_with("160");
                last = row.sample.made.secs();
                if back { Err(OutOfOrder) } else { Ok(()) }
            });
            let e = e.unwrap_err().to_string();
            assert!(e.contains(said), "{e}");
        }
        std::fs::write(&path, "made_at,trip_id\n").unwrap();
        assert!(predictions(&path, |_| Ok(())).unwrap_err().to_string().contains("no column `service_date`"));
        assert!(truth(&dir.path().join("none.csv"), |_| ()).unwrap_err().to_string().contains("none.csv"));
    }
}
