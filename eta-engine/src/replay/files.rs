//! Reading fixes from `.csv`, `.csv.gz` and `.csv.zst` (DESIGN §2, *fixes in*). Of the further columns
//! three are known: `sign` (or `dsc`, the code of one), `operator_id` and `reported_run_id`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use csv::ByteRecord;
use rustc_hash::FxHashMap;
use transit_model::fix::{Fix, Reported, Source};
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, UnixMs};

/// A file of fixes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be opened or decompressed.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A column is missing.
    #[error("{path}: the header has no column `{column}`")]
    Column {
        /// Which file.
        path: String,
        /// Which column.
        column: &'static str,
    },
    /// A value is not what its column holds.
    #[error("{path}, line {line}, column `{column}`: `{value}` is not {wanted}")]
    Value {
        /// Which file.
        path: String,
        /// Which line, from 1.
        line: u64,
        /// Which column.
        column: &'static str,
        /// What stands there.
        value: String,
        /// What should.
        wanted: &'static str,
    },
}

/// A file of fixes, in the order they were received.
#[derive(Debug)]
pub struct FixFile {
    /// The fixes.
    pub fixes: Vec<Fix>,
}

struct Columns {
    vehicle: usize,
    time: usize,
    received: Option<usize>,
    lat: usize,
    lon: usize,
    speed: Option<usize>,
    bearing: Option<usize>,
    trip: Option<usize>,
    route: Option<usize>,
    date: Option<usize>,
    sign: Option<usize>,
    operator: Option<usize>,
    run: Option<usize>,
}

/// Opens a file for reading, decompressing by its ending.
///
/// # Errors
/// When it cannot be opened.
pub fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    let file = BufReader::with_capacity(1 << 18, File::open(path)?);
    Ok(match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        _ => Box::new(file),
    })
}

impl FixFile {
    /// Reads a whole file.
    ///
    /// # Errors
    /// When it cannot be read, or a row is not of the form; the first such row is named.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let io = |source| ReadError::Io { path: name.clone(), source };
        let mut csv = csv::ReaderBuilder::new().flexible(true).from_reader(open(path).map_err(io)?);
        let as_io = |e: csv::Error| ReadError::Io { path: name.clone(), source: std::io::Error::other(e) };
        let header = csv.byte_headers().map_err(as_io)?.clone();
        let columns = Columns::find(&header, &name)?;
        let mut fixes = Vec::new();
        let mut names: FxHashMap<Box<[u8]>, VehicleId> = FxHashMap::default();
        let mut row = ByteRecord::new();
        while csv.read_byte_record(&mut row).map_err(as_io)? {
            let line = row.position().map_or(0, csv::Position::line);
            fixes.push(columns.fix(&row, &name, line, &mut names)?);
        }
        // Already sorted in a good recording; stable, so that equal times keep the file's order.
        fixes.sort_by_key(|f: &Fix| f.received);
        Ok(Self { fixes })
    }
}

impl Columns {
    fn find(header: &ByteRecord, path: &str) -> Result<Self, ReadError> {
        let bare = |h: &[u8]| h.strip_prefix(b"\xef\xbb\xbf").unwrap_or(h).trim_ascii().to_vec();
        let at = |name: &str| header.iter().position(|h| bare(h) == name.as_bytes());
        let need = |column: &'static str| at(column).ok_or(ReadError::Column { path: path.to_owned(), column });
        Ok(Self {
            vehicle: need("vehicle_id")?,
            time: need("time")?,
            received: at("received"),
            lat: need("lat")?,
            lon: need("lon")?,
            speed: at("speed"),
            bearing: at("bearing"),
            trip: at("trip_id"),
            route: at("route_id"),
            date: at("start_date"),
            sign: at("sign").or_else(|| at("dsc")),
            operator: at("operator_id"),
            run: at("reported_run_id"),
        })
    }

    fn fix(
        &self,
        row: &ByteRecord,
        path: &str,
        line: u64,
        names: &mut FxHashMap<Box<[u8]>, VehicleId>,
    ) -> Result<Fix, ReadError> {
        let raw = |at: usize| row.get(at).unwrap_or(b"").trim_ascii();
        let bad = |column: &'static str, at: usize, wanted: &'static str| ReadError::Value {
            path: path.to_owned(),
            line,
            column,
            value: String::from_utf8_lossy(raw(at)).into_owned(),
            wanted,
        };
        let number = |column: &'static str, at: usize| -> Result<Option<f64>, ReadError> {
            let text = raw(at);
            if text.is_empty() {
                return Ok(None);
            }
            let parsed = std::str::from_utf8(text).ok().and_then(|s| s.parse::<f64>().ok());
            parsed.filter(|v| v.is_finite()).map(Some).ok_or_else(|| bad(column, at, "a number"))
        };
        let required = |column: &'static str, at: usize| {
            number(column, at)?.ok_or_else(|| bad(column, at, "a number (it is needed)"))
        };
        let text = |at: Option<usize>| {
            let t = raw(at?);
            if t.is_empty() { None } else { Some(String::from_utf8_lossy(t).into_owned().into_boxed_str()) }
        };
        let word = |at: Option<usize>| Reported::word(&String::from_utf8_lossy(raw(at?)));
        let vehicle = match names.get(raw(self.vehicle)) {
            Some(v) => v.clone(),
            None if raw(self.vehicle).is_empty() => return Err(bad("vehicle_id", self.vehicle, "a name")),
            None => {
                let v = VehicleId::from(String::from_utf8_lossy(raw(self.vehicle)));
                names.insert(raw(self.vehicle).into(), v.clone());
                v
            }
        };
        let (lat, lon) = (required("lat", self.lat)?, required("lon", self.lon)?);
        if lat.abs() > 90.0 {
            return Err(bad("lat", self.lat, "a latitude"));
        }
        if lon.abs() > 180.0 {
            return Err(bad("lon", self.lon, "a longitude"));
        }
        let time = UnixMs::from_secs_f64(required("time", self.time)?);
        let received = self.received.map(|at| number("received", at)).transpose()?.flatten();
        let optional = |column: &'static str, at: Option<usize>| at.map_or(Ok(None), |at| number(column, at));
        let start_date = match self.date.filter(|at| !raw(*at).is_empty()) {
            Some(at) => {
                let parsed = std::str::from_utf8(raw(at)).ok().and_then(|s| s.parse::<ServiceDate>().ok());
                Some(parsed.ok_or_else(|| bad("start_date", at, "a date of the form YYYYMMDD"))?)
            }
            None => None,
        };
        Ok(Fix {
            vehicle,
            time,
            received: received.map_or(time, UnixMs::from_secs_f64),
            lat,
            lon,
            speed: optional("speed", self.speed)?.map(|v| v as f32),
            bearing: optional("bearing", self.bearing)?.map(|v| v.rem_euclid(360.0) as f32),
            reported: Reported {
                trip_id: text(self.trip),
                route_id: text(self.route),
                start_date,
                sign: word(self.sign),
                operator: word(self.operator),
                run: word(self.run),
                ..Reported::default()
            },
            source: Source::Recording,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const GOOD: &str = "vehicle_id,time,received,lat,lon,speed,bearing,trip_id,route_id,start_date,more\n\
                        1204,1000,1003,54.7,25.3,,,T1,R1,20260818,x\n1205,990,1001,54.8,25.4,7.5,361,,,,\n";

    fn written(ending: &str, bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut f = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
        f.write_all(bytes).unwrap();
        f.flush().unwrap();
        f
    }

    #[test]
    fn plain_gzip_and_zstd_read_the_same_in_received_order() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(GOOD.as_bytes()).unwrap();
        let files = [
            written(".csv", GOOD.as_bytes()),
            written(".csv.gz", &gz.finish().unwrap()),
            written(".csv.zst", &zstd::encode_all(GOOD.as_bytes(), 1).unwrap()),
        ];
        for f in &files {
            let read = FixFile::read(f.path()).unwrap().fixes;
            let names: Vec<&str> = read.iter().map(|f| f.vehicle.as_str()).collect();
            assert_eq!(names, ["1205", "1204"]);
            assert_eq!(read[0].bearing, Some(1.0));
            assert_eq!(read[1].reported.trip_id.as_deref(), Some("T1"));
            assert_eq!(read[1].speed, None);
        }
    }

    #[test]
    fn what_a_vehicle_says_of_its_work_is_read_where_the_file_has_it() {
        let text = "vehicle_id,time,lat,lon,dsc,operator_id,reported_run_id\n7560,1000,40.6,-74.0, 4631 ,8812,B63-4\n";
        let said = FixFile::read(written(".csv", text.as_bytes()).path()).unwrap().fixes.remove(0).reported;
        assert_eq!(said.sign.as_deref(), Some("4631"));
        assert_eq!((said.operator.as_deref(), said.run.as_deref()), (Some("8812"), Some("B63-4")));
        let plain = FixFile::read(written(".csv", GOOD.as_bytes()).path()).unwrap().fixes.remove(0).reported;
        assert_eq!((plain.sign, plain.operator, plain.run), (None, None, None));
    }

    #[test]
    fn a_bad_row_is_named_with_line_column_and_value() {
        let said = |text: &str| FixFile::read(written(".csv", text.as_bytes()).path()).unwrap_err().to_string();
        assert!(said("vehicle_id,time,lat\n").contains("no column `lon`"));
        let e = said("vehicle_id,time,lat,lon\na,1,54,25\nb,2,north,25\n");
        assert!(e.contains("line 3, column `lat`: `north` is not a number"), "{e}");
        let e = said("vehicle_id,time,lat,lon\na,1,94,25\n");
        assert!(e.contains("`94` is not a latitude"), "{e}");
        let e = said("vehicle_id,time,lat,lon,start_date\na,1,54,25,tomorrow\n");
        assert!(e.contains("column `start_date`: `tomorrow`"), "{e}");
        assert!(FixFile::read(Path::new("nowhere.csv")).unwrap_err().to_string().contains("nowhere.csv"));
    }
}
