//! Reports in text.
//!
//! The place: HDOP (0 = none now, the last known follows), km/h, course, metres, longitude, latitude, time.

use super::super::error::DecodeErrorKind as Kind;
use super::super::fields::{Attributes, KMH, bad, course, plain, utc_digits};
use super::super::model::digest;
use super::super::{DecodeError, DeviceKey, Position, Record};
use super::Said;

pub(super) fn read(message: &[u8]) -> Result<Said, DecodeError> {
    let text = String::from_utf8_lossy(message);
    let text = text.trim_end_matches(['$', '\0', '\n', '\r']);
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let field = |n: usize| fields.get(n).copied().unwrap_or_default();
    let short =
        || DecodeError::new(Kind::MissingField, message.len(), "a report has a version, an id, a time and a count");
    if fields.len() < 5 {
        return Err(short());
    }
    // The GT300 has no version before its id.
    let (version, id) = if field(1).len() == 15 { ("", field(1)) } else { (field(1), field(2)) };
    if !DeviceKey::is_valid(id) {
        return Err(bad(0, "the id is not letters and digits"));
    }
    // The GT300 has its own version behind the count.
    let last = fields.len() - if version.is_empty() && field(fields.len() - 1).len() != 4 { 2 } else { 1 };
    let number = field(last);
    if number.len() != 4 || u16::from_str_radix(number, 16).is_err() {
        return Err(bad(message.len(), format!("the count is `{number}`")));
    }
    let (head, kind) = field(0).split_once(':').unwrap_or_default();
    let kind = kind.strip_prefix("GT").unwrap_or(kind);

    let mut said = Said { device: Some(DeviceKey::from(id)), kind: digest(kind.as_bytes()), ..Said::default() };
    said.answer = match (head, kind) {
        ("+ACK", "HBD") => format!("+SACK:GTHBD,{version},{number}$").into_bytes(),
        ("+ACK" | "+SACK", _) => return Ok(said),
        _ => format!("+SACK:{number}$").into_bytes(),
    };
    if head == "+ACK" {
        return Ok(said);
    }
    let kept = head == "+BUFF";
    let (mut records, after) = places(&fields)?;
    let mut attributes = Attributes::default();
    report(kind, &fields, after, &mut attributes);
    if kept {
        attributes.flag("archive", true);
    }
    match records.last_mut() {
        // What a report says besides its places is of its last.
        Some(record) => record.attributes = attributes.0,
        None if !attributes.0.is_empty() => {
            let time = field(last - 1);
            let time = utc_digits(time).ok_or_else(|| bad(message.len(), format!("the send time is `{time}`")))?;
            records.push(Record { time: Some(time), attributes: attributes.0, ..Record::default() });
        }
        None => {}
    }
    said.records = records;
    Ok(said)
}

/// A number with so many decimals.
fn has_decimals(text: &str, n: usize) -> bool {
    plain(text).is_some() && text.split_once('.').is_some_and(|(_, d)| d.len() == n)
}

fn is_time(text: &str) -> bool {
    text.len() == 14 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The places of a report, in its order, and the field behind the last.
fn places(fields: &[&str]) -> Result<(Vec<Record>, usize), DecodeError> {
    let mut records = Vec::new();
    let mut after = 0;
    for (at, window) in fields.windows(7).enumerate().skip(3) {
        let [hdop, kmh, bearing, altitude, lon, lat, time] = window else { continue };
        if !is_time(time) || at < after {
            continue;
        }
        let position = match [*hdop, *kmh, *bearing, *altitude, *lon, *lat] {
            ["0", "", "", "", "", ""] => None,
            _ if has_decimals(lon, 6) && has_decimals(lat, 6) => {
                let dilution = plain(hdop);
                Some(Position {
                    lat: plain(lat).unwrap_or_default(),
                    lon: plain(lon).unwrap_or_default(),
                    altitude: plain(altitude).map(|v| v as f32),
                    speed: plain(kmh).map(|v| (v / KMH) as f32),
                    bearing: plain(bearing).and_then(course),
                    hdop: dilution.filter(|v| *v > 0.0).map(|v| v as f32),
                    valid: dilution != Some(0.0),
                    ..Position::default()
                })
            }
            _ => continue,
        };
        let position = position.filter(|p| p.lat != 0.0 || p.lon != 0.0);
        let moment = utc_digits(time).ok_or_else(|| bad(0, format!("the time of a place is `{time}`")))?;
        records.push(Record { time: Some(moment), position, ..Record::default() });
        after = at + window.len();
    }
    Ok((records, after))
}

/// What else a report says. `after` is the field behind its last place; 0 where it has none.
fn report(kind: &str, fields: &[&str], after: usize, attributes: &mut Attributes) {
    let field = |n: usize| fields.get(n).copied().unwrap_or_default();
    match kind {
        "IGN" | "VGN" => attributes.flag("ignition", true),
        "IGF" | "VGF" => attributes.flag("ignition", false),
        _ => {}
    }
    let alarm = match kind {
        "SOS" => Some("sos"),
        "PNA" => Some("power_on"),
        "PFA" => Some("power_off"),
        "MPF" => Some("power_cut"),
        "MPN" => Some("power_restored"),
        "BPL" => Some("low_battery"),
        "JDR" | "JDS" => Some("jamming"),
        "HBM" => Some("harsh_driving"),
        "CRA" | "CRD" => Some("accident"),
        "TOW" => Some("tow"),
        "SPD" => Some("overspeed"),
        "GEO" | "GIN" | "GOT" => Some("geofence"),
        "TMP" | "TEM" => Some("temperature"),
        // Behind the name: 0 the antenna is there again, 1 it is not, 2 it is shorted.
        "ANT" => match field(4) {
            "1" => Some("gps_antenna_cut"),
            "2" => Some("gps_antenna_short"),
            _ => None,
        },
        _ => None,
    };
    if let Some(which) = alarm {
        attributes.alarm(which);
    }
    // Behind the name, in these two reports behind the mask: the vehicle's millivolts.
    let volts = match kind {
        "FRI" => field(4),
        "ERI" => field(5),
        _ => "",
    };
    if let Ok(millivolts @ 5_000..=60_000u32) = volts.parse() {
        attributes.number("power", f64::from(millivolts) / 1000.0);
    }
    if after == 0 {
        return;
    }
    // Country, network, area, tower, then within three fields the mileage, the only one with a decimal.
    let behind = fields.get(after + 4..after + 7).unwrap_or_default();
    if let Some(km) = behind.iter().find(|f| has_decimals(f, 1)).and_then(|f| plain(f)) {
        attributes.number("odometer", km * 1000.0);
    }
    // The battery's percentage, and the state of ignition and motion behind it.
    for pair in fields.get(after + 4..).unwrap_or_default().windows(2) {
        let [percent, state] = pair else { continue };
        let battery = percent.parse::<u8>().ok().filter(|v| *v <= 100 && percent.len() <= 3);
        let (Some(first), true) = (state.get(..2), state.len() == 6 && state.bytes().all(|b| b.is_ascii_hexdigit()))
        else {
            continue;
        };
        if !matches!(first, "11" | "12" | "16" | "1A" | "21" | "22" | "41" | "42")
            || !(battery.is_some() || percent.is_empty())
        {
            continue;
        }
        if let Some(percent) = battery {
            attributes.int("battery_percent", percent);
        }
        match first {
            "21" | "22" => attributes.flag("ignition", true),
            "11" | "12" | "16" | "1A" => attributes.flag("ignition", false),
            _ => {}
        }
        if let Some(inputs) = state.get(2..4).and_then(|v| u8::from_str_radix(v, 16).ok()) {
            attributes.int("inputs", inputs);
        }
        if let Some(outputs) = state.get(4..).and_then(|v| u8::from_str_radix(v, 16).ok()) {
            attributes.int("outputs", outputs);
        }
        return;
    }
}
