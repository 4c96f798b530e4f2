//! A list of devices as a CSV file: what a city exports from its spreadsheet.

use std::fmt;
use std::io::Read;

use csv::{ByteRecord, ReaderBuilder, StringRecord, Trim};
use rustc_hash::FxHashMap;
use transit_model::dispatch::VehicleKind;
use transit_model::ids::VehicleId;

use super::{DeviceError, NewDevice};
use crate::codec::DeviceKey;
use crate::journal::AddError;

/// The columns, in any order; the first two are needed.
pub const COLUMNS: [&str; 5] = ["device", "vehicle_id", "kind", "label", "token"];
const DEVICE: usize = 0;
const VEHICLE: usize = 1;
const KIND: usize = 2;
const LABEL: usize = 3;
const TOKEN: usize = 4;
/// The largest file taken, bytes.
const LARGEST: u64 = 16 << 20;
/// Faults named before the rest are only counted.
const NAMED: usize = 20;

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListFault {
    /// Which line of the file, from 1; the header is the first.
    pub line: u64,
    /// Which column; `None` for the line as a whole.
    pub column: Option<String>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for ListFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "line {}, column `{column}`: {}", self.line, self.problem),
            None => write!(f, "line {}: {}", self.line, self.problem),
        }
    }
}

/// A list of devices has faults; nothing of it is taken. It repeats no key and no token.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListError {
    /// The first faults, in the order of their lines.
    pub faults: Vec<ListFault>,
    /// How many there are in all.
    pub all: usize,
}

impl std::error::Error for ListError {}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the list has {} fault(s), so nothing of it was taken:", self.all)?;
        for fault in &self.faults {
            write!(f, "\n  {fault}")?;
        }
        match self.all.saturating_sub(self.faults.len()) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

#[derive(Debug, Default)]
struct Faults(ListError);

impl Faults {
    fn add(&mut self, line: u64, column: Option<&str>, problem: impl Into<String>) {
        self.0.all += 1;
        if self.0.faults.len() < NAMED {
            let column = column.map(str::to_owned);
            self.0.faults.push(ListFault { line, column, problem: problem.into() });
        }
    }
}

/// A list that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceList {
    /// Its devices, in the order of their lines.
    pub devices: Vec<NewDevice>,
    lines: FxHashMap<DeviceKey, u64>,
}

impl DeviceList {
    /// Puts the line to what was said of a device of this list.
    #[must_use]
    pub fn explain(&self, e: AddError) -> AddError {
        match e {
            AddError::Device(DeviceError::VehicleTaken { vehicle, device, by }) => {
                let mut faults = Faults::default();
                let problem = format!("vehicle `{vehicle}` already has the device {device}, which is not in the list");
                faults.add(self.lines.get(&by).copied().unwrap_or(0), Some("vehicle_id"), problem);
                AddError::List(faults.0)
            }
            other => other,
        }
    }
}

/// Reads a list of devices: CSV (comma, UTF-8) with the columns `device,vehicle_id` and, if wanted, `kind`
/// (a [`VehicleKind`] by its name; blank = `transit`), `label`, `token`.
///
/// # Errors
/// Every line that cannot be read, or that repeats a device or a vehicle, and what is wrong with it.
pub fn read_csv(input: impl Read) -> Result<DeviceList, ListError> {
    let mut faults = Faults::default();
    let mut bytes = Vec::new();
    if let Err(e) = input.take(LARGEST + 1).read_to_end(&mut bytes) {
        faults.add(1, None, format!("cannot be read: {e}"));
    } else if bytes.len() as u64 > LARGEST {
        faults.add(1, None, format!("begins a file of over {} MiB, which is no list of devices", LARGEST >> 20));
    }
    // A spreadsheet may put a byte-order mark first.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader = ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text);
    let mut lines_of = Lines { text, byte: 0, line: 1 };
    let (places, width) = match reader.headers() {
        Ok(header) => (places(header, &mut faults), header.len()),
        Err(_) => {
            faults.add(1, None, "is not UTF-8");
            ([None; 5], 0)
        }
    };
    // A header that is wrong makes every line wrong in the same way.
    if faults.0.all > 0 {
        return Err(faults.0);
    }
    let (mut devices, mut lines) = (Vec::new(), FxHashMap::default());
    let mut seen: FxHashMap<(usize, String), u64> = FxHashMap::default();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let line = lines_of.at(record.position().map_or(0, csv::Position::byte));
        let Ok(record) = StringRecord::from_byte_record(record.clone()) else {
            faults.add(line, None, "is not UTF-8");
            continue;
        };
        if record.len() != width {
            faults.add(line, None, format!("has {} fields, the header has {width}", record.len()));
        }
        let device = device(&record, line, &places, &mut seen, &mut faults);
        lines.insert(device.key.clone(), line);
        devices.push(device);
    }
    if faults.0.all > 0 {
        return Err(faults.0);
    }
    Ok(DeviceList { devices, lines })
}

/// Counts lines along a text; the reader's own count does not see blank lines before a record.
struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the record that begins at a byte, or after blank lines there. Bytes must not go back.
    fn at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        let rest = self.text.get(self.byte..).unwrap_or_default();
        for b in rest {
            if self.byte >= byte && !matches!(b, b'\r' | b'\n') {
                break;
            }
            self.byte += 1;
            self.line += u64::from(*b == b'\n');
        }
        self.line
    }
}

/// Where each of [`COLUMNS`] stands in the header.
fn places(header: &StringRecord, faults: &mut Faults) -> [Option<usize>; 5] {
    let names: Vec<&str> = header.iter().collect();
    if !names.iter().any(|n| COLUMNS.contains(n)) {
        faults.add(
            1,
            None,
            format!("names no columns; the first line must be a header, such as {}", COLUMNS.join(",")),
        );
        return [None; 5];
    }
    for name in names.iter().filter(|n| !COLUMNS.contains(n)) {
        faults.add(1, Some(name), format!("is not a column of this list; there are {}", COLUMNS.join(", ")));
    }
    let places = COLUMNS.map(|c| names.iter().position(|n| *n == c));
    for (name, place) in COLUMNS.iter().zip(places).take(2) {
        if place.is_none() {
            faults.add(1, Some(name), "is missing");
        }
    }
    places
}

fn device(
    record: &StringRecord,
    line: u64,
    places: &[Option<usize>; 5],
    seen: &mut FxHashMap<(usize, String), u64>,
    faults: &mut Faults,
) -> NewDevice {
    let field = |column: usize| places.get(column).copied().flatten().and_then(|i| record.get(i)).unwrap_or("");
    let given = |column| Some(field(column)).filter(|v| !v.is_empty()).map(str::to_owned);
    let (key, vehicle) = (field(DEVICE), field(VEHICLE));
    let name = |column: usize| COLUMNS.get(column).copied();
    if !DeviceKey::is_valid(key) {
        faults.add(line, name(DEVICE), DeviceError::BadKey.to_string());
    }
    if vehicle.is_empty() {
        faults.add(line, name(VEHICLE), "is empty");
    }
    for (column, value) in [(DEVICE, key), (VEHICLE, vehicle)] {
        if value.is_empty() {
            continue;
        }
        if let Some(first) = seen.insert((column, value.to_owned()), line) {
            faults.add(line, name(column), format!("is the same as in line {first}"));
        }
    }
    let kind = match field(KIND) {
        "" => VehicleKind::Transit,
        given => VehicleKind::named(given).unwrap_or_else(|| {
            let all = VehicleKind::ALL.map(VehicleKind::name).join(", ");
            faults.add(line, name(KIND), format!("`{given}` is no kind of vehicle; there are {all}"));
            VehicleKind::Transit
        }),
    };
    NewDevice {
        key: DeviceKey::from(key),
        vehicle: VehicleId::from(vehicle),
        kind,
        label: given(LABEL),
        token: given(TOKEN),
        beside: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read() {
        let csv = "\u{feff}device,vehicle_id,kind,label,token\r\n352093081452251, bus-1 ,,\"garage 7, МАЗ\",\r\n\r\n867,plough-2,plough,,s3cret\r\n";
        let devices = read_csv(csv.as_bytes()).unwrap().devices;
        assert_eq!(devices.len(), 2);
        assert_eq!(devices[0].vehicle.as_str(), "bus-1");
        assert_eq!(devices[0].label.as_deref(), Some("garage 7, МАЗ"));
        assert_eq!((devices[0].kind, &devices[0].token), (VehicleKind::Transit, &None));
        assert_eq!((devices[1].kind, devices[1].token.as_deref()), (VehicleKind::Plough, Some("s3cret")));
        let other_order = read_csv(&b"vehicle_id,device\nv,1\n"[..]).unwrap();
        assert_eq!(other_order.devices, [NewDevice::transit("1", "v")]);
    }

    #[test]
    fn a_fault_in_a_list_names_its_line_and_column() {
        for (csv, says) in [
            ("device,vehicle_id\n1,a\n1,b\n", "line 3, column `device`: is the same as in line 2"),
            ("device,vehicle_id\n1,a\n\n2,a\n", "line 4, column `vehicle_id`: is the same as in line 2"),
            ("\u{feff}device,vehicle_id\r\n\r\n1,a\r\n1,b\r\n", "line 4, column `device`: is the same as in line 3"),
            ("device,vehicle_id\n1,\n", "line 2, column `vehicle_id`: is empty"),
            ("device,vehicle_id\na/b,v\n", "line 2, column `device`: the device's key must be"),
            ("device,vehicle_id,label\n1,a,\"two\nlines\"\n,b,\n", "line 4, column `device`: the device's key must be"),
            (
                "device,vehicle_id,kind\n1,v,tank\n",
                "line 2, column `kind`: `tank` is no kind of vehicle; there are transit, machinery, plough,",
            ),
            ("device,vehicle_id\n1,v,x\n", "line 2: has 3 fields, the header has 2"),
            ("352093081452251,bus-1\n", "line 1: names no columns; the first line must be a header, such as device,"),
            ("imei,vehicle_id\n1,v\n", "line 1, column `imei`: is not a column of this list; there are device, "),
            ("device,kind\n1,transit\n", "line 1, column `vehicle_id`: is missing"),
            ("", "line 1: names no columns"),
        ] {
            let e = read_csv(csv.as_bytes()).unwrap_err();
            assert!(e.faults[0].to_string().starts_with(says), "{csv:?}: {e}");
        }
        let e = read_csv(&b"device,vehicle_id\n1,\xff\n"[..]).unwrap_err();
        assert_eq!(e.faults[0].to_string(), "line 2: is not UTF-8");
    }

    #[test]
    fn every_fault_is_counted_and_the_first_are_named() {
        let csv = format!("device,vehicle_id\n{}", "1,\n".repeat(30));
        let e = read_csv(csv.as_bytes()).unwrap_err();
        assert_eq!((e.all, e.faults.len()), (30 + 29, NAMED));
        assert!(e.to_string().ends_with("… and 39 more"), "{e}");
    }
}
