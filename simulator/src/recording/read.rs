//! The fixes of a recorded day, row by row: a day of any size costs the memory of a row and of the names of
//! its vehicles.
//!
//! The header names the columns: `vehicle_id,time,received,lat,lon,speed,bearing,trip_id,route_id,start_date`,
//! times in unix seconds, blank = unknown, further columns ignored.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use flate2::read::MultiGzDecoder;
use rustc_hash::FxHashMap;
use transit_model::fix::{Fix, Reported, Source};
use transit_model::ids::VehicleId;
use transit_model::time::UnixMs;

/// A recorded day cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Not as a file.
    #[error("{path}: {why}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The reason.
        why: io::Error,
    },
    /// Not as a table.
    #[error("{path}: {why}", path = path.display())]
    Table {
        /// Which.
        path: PathBuf,
        /// The reason.
        why: csv::Error,
    },
    /// Without a column it means nothing.
    #[error("{path}: there is no column `{column}`", path = path.display())]
    NoColumn {
        /// Which file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A value is none.
    #[error("{path}: line {line}, column `{column}`: `{value}` is not {wanted}", path = path.display())]
    Value {
        /// Which file.
        path: PathBuf,
        /// The line, as an editor counts.
        line: u64,
        /// The column.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        wanted: &'static str,
    },
}

/// The fixes of a day, in the order of the file.
pub struct FixRows {
    path: PathBuf,
    csv: csv::Reader<Box<dyn Read + Send>>,
    row: StringRecord,
    columns: Columns,
    names: FxHashMap<Box<str>, VehicleId>,
}

#[derive(Clone, Copy)]
struct Columns {
    vehicle: usize,
    time: usize,
    lat: usize,
    lon: usize,
    received: Option<usize>,
    speed: Option<usize>,
    bearing: Option<usize>,
    trip: Option<usize>,
    route: Option<usize>,
    date: Option<usize>,
}

impl FixRows {
    /// Opens a file, unpacking it where its name ends in `.gz`.
    ///
    /// # Errors
    /// When it cannot be read, or lacks a column.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|why| ReadError::File { path: path.to_owned(), why })?;
        let packed = path.extension().is_some_and(|e| e == "gz");
        let bytes: Box<dyn Read + Send> =
            if packed { Box::new(MultiGzDecoder::new(BufReader::new(file))) } else { Box::new(BufReader::new(file)) };
        let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let header = csv.headers().map_err(|why| ReadError::Table { path: path.to_owned(), why })?;
        let at = |column: &str| header.iter().position(|c| c.trim_matches(['\u{feff}', ' ']) == column);
        let need = |column| at(column).ok_or_else(|| ReadError::NoColumn { path: path.to_owned(), column });
        let columns = Columns {
            vehicle: need("vehicle_id")?,
            time: need("time")?,
            lat: need("lat")?,
            lon: need("lon")?,
            received: at("received"),
            speed: at("speed"),
            bearing: at("bearing"),
            trip: at("trip_id"),
            route: at("route_id"),
            date: at("start_date"),
        };
        Ok(Self { path: path.to_owned(), csv, row: StringRecord::new(), columns, names: FxHashMap::default() })
    }

    /// What stands in a column of the row; nothing where it is blank.
    fn text(&self, column: Option<usize>) -> Option<&str> {
        self.row.get(column?).map(str::trim).filter(|t| !t.is_empty())
    }

    fn wrong(&self, column: &'static str, value: &str, wanted: &'static str) -> ReadError {
        let line = self.row.position().map_or(0, csv::Position::line);
        ReadError::Value { path: self.path.clone(), line, column, value: value.to_owned(), wanted }
    }

    fn number(&self, column: &'static str, at: Option<usize>) -> Result<Option<f64>, ReadError> {
        let Some(text) = self.text(at) else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|n| n.is_finite());
        number.map(Some).ok_or_else(|| self.wrong(column, text, "a number"))
    }

    fn needed(&self, column: &'static str, at: usize, most: f64, wanted: &'static str) -> Result<f64, ReadError> {
        let number = self.number(column, Some(at))?.filter(|n| n.abs() <= most);
        number.ok_or_else(|| self.wrong(column, self.text(Some(at)).unwrap_or_default(), wanted))
    }

    fn fix(&mut self) -> Result<Fix, ReadError> {
        let c = self.columns;
        let name = self.text(Some(c.vehicle)).ok_or_else(|| self.wrong("vehicle_id", "", "a vehicle"))?;
        let vehicle = match self.names.get(name) {
            Some(vehicle) => vehicle.clone(),
            None => {
                let (name, vehicle): (Box<str>, _) = (name.into(), VehicleId::from(name));
                self.names.insert(name, vehicle.clone());
                vehicle
            }
        };
        let time = UnixMs::from_secs_f64(self.needed("time", c.time, 1e11, "a unix time in seconds")?);
        let received = self.number("received", c.received)?.map_or(time, UnixMs::from_secs_f64);
        let start_date = match self.text(c.date) {
            Some(text) => {
                Some(text.parse().map_err(|_| self.wrong("start_date", text, "a date of the form YYYYMMDD"))?)
            }
            None => None,
        };
        #[expect(clippy::cast_possible_truncation, reason = "metres a second and degrees")]
        let small = |n: Option<f64>| n.map(|n| n as f32);
        Ok(Fix {
            vehicle,
            time,
            received,
            lat: self.needed("lat", c.lat, 90.0, "a latitude")?,
            lon: self.needed("lon", c.lon, 180.0, "a longitude")?,
            speed: small(self.number("speed", c.speed)?),
            bearing: small(self.number("bearing", c.bearing)?.map(|b| b.rem_euclid(360.0))),
            reported: Reported {
                trip_id: self.text(c.trip).map(Into::into),
                route_id: self.text(c.route).map(Into::into),
                start_date,
                ..Reported::default()
            },
            source: Source::Recording,
        })
    }
}

impl Iterator for FixRows {
    type Item = Result<Fix, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.csv.read_record(&mut self.row) {
            Ok(true) => Some(self.fix()),
            Ok(false) => None,
            Err(why) => Some(Err(ReadError::Table { path: self.path.clone(), why })),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const GOOD: &str = "\u{feff}vehicle_id,time,received,lat,lon,speed,bearing,trip_id,route_id,start_date,more\n\
                        1204,1000,1003,54.7,25.3,,,T1,R1,20260818,x\n1205,990,,54.8,25.4,7.5,-1,,,,\n";

    fn written(ending: &str, bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut f = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
        f.write_all(bytes).unwrap();
        f.flush().unwrap();
        f
    }

    #[test]
    fn rows_become_fixes_packed_or_not() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(GOOD.as_bytes()).unwrap();
        for file in [written(".csv", GOOD.as_bytes()), written(".csv.gz", &gz.finish().unwrap())] {
            let fixes: Vec<Fix> = FixRows::open(file.path()).unwrap().map(Result::unwrap).collect();
            assert_eq!(fixes.len(), 2);
            assert_eq!((fixes[0].time, fixes[0].received), (UnixMs::from_secs(1000), UnixMs::from_secs(1003)));
            assert_eq!(fixes[0].reported.trip_id.as_deref(), Some("T1"));
            assert_eq!(fixes[0].reported.start_date.map(|d| d.to_string()).as_deref(), Some("20260818"));
            assert_eq!((fixes[1].received, fixes[1].speed, fixes[1].bearing), (fixes[1].time, Some(7.5), Some(359.0)));
            assert!(fixes[1].reported.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let said = |text: &str| {
            let file = written(".csv", text.as_bytes());
            let rows = FixRows::open(file.path());
            rows.map_or_else(|e| e.to_string(), |r| r.filter_map(Result::err).map(|e| e.to_string()).collect())
        };
        assert!(said("vehicle_id,time,lat\n").contains("no column `lon`"));
        let e = said("vehicle_id,time,lat,lon\na,1,54,25\nb,2,north,25\n");
        assert!(e.contains("line 3, column `lat`: `north` is not a number"), "{e}");
        let e = said("vehicle_id,time,lat,lon\na,1,94,25\n");
        assert!(e.contains("`94` is not a latitude"), "{e}");
        let e = said("vehicle_id,time,lat,lon,start_date\n,1,54,25,\na,1,54,25,soon\n");
        assert!(e.contains("line 2, column `vehicle_id`") && e.contains("`soon` is not a date"), "{e}");
        assert!(FixRows::open(Path::new("nowhere.csv")).err().unwrap().to_string().contains("nowhere.csv"));
    }
}
