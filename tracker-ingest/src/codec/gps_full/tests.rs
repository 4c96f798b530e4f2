use proptest::prelude::*;

use super::super::{AttrKey, AttrValue};
use super::*;

const HEADER: &str = "Transportas,Marsrutas,ReisoID,MasinosNumeris,Ilguma,Platuma,Greitis,Azimutas,ReisoPradziaMinutemis,\
NuokrypisSekundemis,MatavimoLaikas,MasinosTipas,KryptiesTipas,KryptiesPavadinimas,ReisoIdGTFS,";

fn vilnius() -> Zone {
    Zone::named("Europe/Vilnius").unwrap()
}

/// A moment on the wall in Vilnius.
fn at(text: &str) -> UnixMs {
    let moment: jiff::Zoned = format!("{text}[Europe/Vilnius]").parse().unwrap();
    UnixMs(moment.timestamp().as_millisecond())
}

fn list(lines: &[&str], received: &str) -> Result<List, DecodeError> {
    decode(lines.join("\r\n").as_bytes(), at(received), None, &vilnius())
}

fn only(mut list: List) -> Record {
    assert_eq!((list.records.len(), &list.faults), (1, &vec![]));
    list.records.remove(0)
}

#[test]
fn a_list_with_named_columns_is_read() {
    let line = "Troleibusai,7,4521,1664,25279651,54687157,36,87,480,-42,29700,KWZ,A>B,Žemieji Paneriai,T-7-0800,";
    let r = only(list(&[HEADER, line], "2026-08-18T08:15:05").unwrap());
    assert_eq!((r.device, r.time), (Some(DeviceKey::from("1664")), Some(at("2026-08-18T08:15:00"))));
    let p = r.position.unwrap();
    assert!((p.lat - 54.687_157).abs() < 1e-9 && (p.lon - 25.279_651).abs() < 1e-9 && p.valid);
    assert!((p.speed.unwrap() - 10.0).abs() < 1e-6 && p.bearing == Some(87.0));
    assert_eq!(r.reported.trip_id.as_deref(), Some("T-7-0800"));
    assert_eq!(r.reported.sign.as_deref(), Some("7 Žemieji Paneriai"));
    assert_eq!((r.reported.start_time, r.reported.route_id), (Some(ServiceTime(8 * 3600)), None));
    let deviation = r.attributes.iter().find(|(k, _)| *k == AttrKey::Name("deviation")).map(|(_, v)| v.clone());
    assert_eq!(deviation, Some(AttrValue::Float(-42.0)));
}

#[test]
fn a_vehicle_off_its_trips_reports_none() {
    let r =
        only(list(&[HEADER, "Autobusai,,,310,25279651,54687157,0,0,,,29700,K,,,,"], "2026-08-18T08:15:05").unwrap());
    assert!(r.reported.is_empty() && r.position.is_some());
    let nowhere = only(list(&[HEADER, "Autobusai,,,310,0,0,0,0,,,29700,K,,,,"], "2026-08-18T08:15:05").unwrap());
    assert_eq!(nowhere.position, None);
}

#[test]
fn columns_stand_in_any_order_and_some_are_not_there() {
    // Kaunas has no time of its own: when the list was made stands in, else when it came.
    let text = "\u{feff}Platuma,Ilguma,MasinosNumeris,Marsrutas,Greitis\n54901234,23905678,77,5,18\n";
    let received = at("2026-08-18T08:15:05");
    let made = Some(received.plus_secs(-4));
    for (made, time) in [(made, made), (None, Some(received))] {
        let r = only(decode(text.as_bytes(), received, made, &vilnius()).unwrap());
        assert_eq!((r.time, r.device), (time, Some(DeviceKey::from("77"))));
        assert!((r.position.unwrap().lat - 54.901_234).abs() < 1e-9);
    }
}

#[test]
fn a_list_without_a_header_has_tallinn_s_columns() {
    let text = "2,18,24711250,59425990,,87,1023,Z,,Viru\n3,4,24745731,59437216,12,999,176,Z,88,Tondi\n";
    let list = decode(text.as_bytes(), UnixMs::from_secs(1_787_030_105), None, &vilnius()).unwrap();
    assert!(list.faults.is_empty());
    let keys: Vec<_> = list.records.iter().map(|r| r.device.clone().unwrap().expose().to_owned()).collect();
    assert_eq!(keys, ["1023", "176"]);
    let p: Vec<_> = list.records.iter().map(|r| r.position.unwrap()).collect();
    assert!((p[0].lat - 59.425_99).abs() < 1e-9 && (p[0].lon - 24.711_25).abs() < 1e-9);
    assert_eq!((p[0].bearing, p[1].bearing, p[0].speed), (Some(87.0), None, None));
    assert_eq!(list.records[0].reported.sign.as_deref(), Some("18"));
}

/// Seconds after midnight, when we had them, and the moment they are.
#[test]
fn a_time_of_day_is_the_last_one_that_is_not_ahead() {
    for (secs, received, moment) in [
        ("29700", "2026-08-18T08:15:05", "2026-08-18T08:15:00"),
        ("86390", "2026-08-19T00:00:20", "2026-08-18T23:59:50"),
        ("86430", "2026-08-19T00:00:40", "2026-08-19T00:00:30"),
        ("5", "2026-08-18T23:59:50", "2026-08-19T00:00:05"),
        ("29700", "2026-08-19T08:00:00", "2026-08-18T08:15:00"),
        // The clocks go back an hour at four.
        ("21600", "2026-10-25T06:00:10", "2026-10-25T06:00:00"),
        ("21600", "2026-03-29T06:00:10", "2026-03-29T06:00:00"),
    ] {
        let line = format!("Autobusai,5,,310,25279651,54687157,0,0,,,{secs},K,,,,");
        let r = only(list(&[HEADER, &line], received).unwrap());
        assert_eq!(r.time, Some(at(moment)), "{secs} at {received}");
    }
}

#[test]
fn a_line_that_is_wrong_loses_no_other() {
    let good = "Autobusai,5,,310,25279651,54687157,0,0,,,29700,K,,,,";
    let list = list(
        &[
            HEADER,
            "Autobusai,5,,311,25279651,north,0,0,,,29700,K,,,,",
            "Autobusai,5,,,25279651,54687157,0,0,,,29700,K,,,,",
            "Autobusai,5,,312,25279651,54687157,0,0,,,29700,K,,Eglė, Antakalnis,T1,",
            "Autobusai,5,,313,25279651,54687157,0,0,,,999999,K,,,,",
            good,
        ],
        "2026-08-18T08:15:05",
    )
    .unwrap();
    assert_eq!(list.records.len(), 1);
    let said: Vec<&str> = list.faults.iter().map(|f| f.detail.as_str()).collect();
    assert_eq!(
        said,
        [
            "line 2: the latitude is `north`",
            "line 3: no vehicle",
            "line 4: 17 fields, where 16 were expected",
            "line 5: the time of day is 999999 s; 0 to 172800 are expected"
        ]
    );
}

#[test]
fn what_is_no_list_is_refused_by_name() {
    let now = UnixMs::from_secs(1_787_030_105);
    for (text, kind, says) in [
        ("", Kind::MissingField, "empty"),
        ("<!DOCTYPE html><title>502 Bad Gateway</title>", Kind::BadPreamble, "<!DOCTYPE html>"),
        ("MasinosNumeris,Platuma\n1,2\n", Kind::MissingField, "Ilguma"),
        ("2,18,24711250\n", Kind::BadLength, "line 1: 3 fields"),
    ] {
        let e = decode(text.as_bytes(), now, None, &vilnius()).unwrap_err();
        assert!(e.kind == kind && e.detail.contains(says), "{text}: {e}");
    }
    let long = vec![b'1'; MAX_LIST + 1];
    assert_eq!(decode(&long, now, None, &vilnius()).unwrap_err().kind, Kind::Oversize);
    // A header alone is a city asleep.
    assert_eq!(decode(HEADER.as_bytes(), now, None, &vilnius()), Ok(List::default()));
}

#[test]
fn first_bytes_are_known() {
    for (first, is) in [
        ("", Sniff::NeedMore),
        ("Tran", Sniff::NeedMore),
        ("Transportas,", Sniff::Yes),
        ("\u{feff}transportas,", Sniff::Yes),
        ("2", Sniff::NeedMore),
        ("2,18", Sniff::Yes),
        ("25,", Sniff::No),
        ("<html", Sniff::No),
    ] {
        assert_eq!(sniff(first.as_bytes()), is, "{first}");
    }
}

proptest! {
    /// Whatever comes, it is read or refused, and no more records come out than lines went in.
    #[test]
    fn nothing_that_comes_is_too_much(body in ".{0,400}", named: bool) {
        let text = if named { format!("{HEADER}\n{body}") } else { body };
        if let Ok(list) = decode(text.as_bytes(), UnixMs::from_secs(1_787_030_105), None, &vilnius()) {
            prop_assert!(list.records.len() + list.faults.len() <= text.lines().count());
        }
    }
}
