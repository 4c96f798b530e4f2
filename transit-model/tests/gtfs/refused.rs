//! Feeds that cannot be used at all: one message, which names the feed and the file.

use transit_model::gtfs::{GtfsFiles, LoadError, load, load_files, load_zip};
use transit_model::ids::FeedId;

use crate::city::{EVERY_STOP, street};

fn refuse(files: &GtfsFiles) -> LoadError {
    load_files(files, FeedId::from("street")).unwrap_err()
}

#[test]
fn a_feed_that_is_not_there() {
    let e = load("/nowhere/city.zip".as_ref(), FeedId::from("x")).unwrap_err();
    assert!(matches!(e, LoadError::Open { .. }) && e.to_string().starts_with("/nowhere/city.zip: "), "{e}");
}

#[test]
fn a_file_that_is_no_zip() {
    let e = load_zip("city.zip", b"PK\x03\x04 and then nothing", FeedId::from("x")).unwrap_err();
    assert!(matches!(e, LoadError::NotAZip { .. }) && e.to_string().starts_with("city.zip: not a zip"), "{e}");
}

#[test]
fn a_zip_cut_off_or_damaged_within() {
    let bytes = street().to_zip_bytes().unwrap();
    let half = bytes.get(..bytes.len() / 2).unwrap();
    assert!(matches!(load_zip("city.zip", half, FeedId::from("x")), Err(LoadError::NotAZip { .. })));
    // Turn the bytes of one packed file over: the directory is whole, the contents are not.
    let name = b"stop_times.txt";
    let at = bytes.windows(name.len()).position(|w| w == name).unwrap() + name.len();
    let mut damaged = bytes.clone();
    damaged.iter_mut().skip(at).take(40).for_each(|b| *b ^= 0x5a);
    let e = load_zip("city.zip", &damaged, FeedId::from("x")).unwrap_err();
    assert!(matches!(&e, LoadError::Read { file, .. } if file == "stop_times.txt"), "{e:?}");
}

#[test]
fn a_zip_of_something_else() {
    let files = GtfsFiles::new().with("readme.md", "hello");
    assert!(matches!(refuse(&files), LoadError::NoFeed { .. }));
    let zip = files.to_zip_bytes().unwrap();
    assert!(matches!(load_zip("a.zip", &zip, FeedId::from("x")), Err(LoadError::NoFeed { path }) if path == "a.zip"));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(load(empty.path(), FeedId::from("x")), Err(LoadError::NoFeed { .. })));
}

#[test]
fn a_feed_without_a_file_it_needs() {
    for file in ["stops.txt", "routes.txt", "trips.txt", "stop_times.txt"] {
        let e = refuse(&street().without(file));
        assert_eq!(e.to_string(), format!("street: {file} is missing"));
    }
    let e = refuse(&street().without("calendar.txt"));
    assert_eq!(e.to_string(), "street: calendar.txt or calendar_dates.txt is missing");
}

#[test]
fn a_file_without_a_column_it_needs() {
    let e = refuse(&street().with("stop_times.txt", EVERY_STOP.replace("stop_sequence", "sequence")));
    let header = "trip_id,arrival_time,departure_time,stop_id,sequence";
    assert_eq!(e.to_string(), format!("street: stop_times.txt has no column stop_sequence (its header is: {header})"));
    let e = refuse(&street().with("stops.txt", ""));
    assert!(matches!(&e, LoadError::MissingColumn { file, column, .. } if file == "stops.txt" && column == "stop_id"));
}

#[test]
fn a_quote_that_never_closes() {
    let mut text = EVERY_STOP.replace("t,08:02:00", "\"t,08:02:00");
    for n in 0..200 {
        text.push_str(&format!("t,09:00:00,09:00:00,s1,{}\n", n + 10));
    }
    let e = refuse(&street().with("stop_times.txt", text));
    assert!(e.to_string().starts_with("street: stop_times.txt:3: a quote opens"), "{e}");
}

#[test]
fn a_feed_whose_trips_are_all_of_no_use_says_why() {
    let e = refuse(&street().with("trips.txt", "route_id,service_id,trip_id\nr,winter,t\n"));
    assert!(matches!(&e, LoadError::NoTrips { report, .. } if report.findings.len() == 1), "{e:?}");
    assert!(e.to_string().contains("trips.txt:2 service_id `winter`"), "{e}");
    assert!(refuse(&street().with("trips.txt", "route_id,service_id,trip_id\n")).to_string().contains("no usable row"));
}

proptest::proptest! {
    /// However a feed is mangled, loading ends with a timetable or with one error; it never panics.
    #[test]
    fn no_feed_brings_the_loader_down(
        wounds in proptest::collection::vec((0usize..8, 0usize..400, proptest::sample::select(b"\",\n\r\0:-.9a \xff".to_vec())), 1..12)
    ) {
        let mut files: Vec<(String, Vec<u8>)> = street()
            .with("frequencies.txt", "trip_id,start_time,end_time,headway_secs\nt,07:00:00,07:30:00,600\n")
            .with("calendar_dates.txt", "service_id,date,exception_type\nall,20270101,1\n")
            .iter()
            .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
            .collect();
        for (file, at, byte) in wounds {
            if let Some(slot) = files.get_mut(file).and_then(|(_, bytes)| bytes.get_mut(at)) {
                *slot = byte;
            }
        }
        let files: GtfsFiles = files.into_iter().collect();
        if let Ok(loaded) = load_files(&files, FeedId::from("x")) {
            proptest::prop_assert!(!loaded.timetable.trips.is_empty());
            proptest::prop_assert_eq!(loaded.report.findings.is_empty(), loaded.report.totals.is_empty());
        }
    }

    /// The same for a zip whose bytes were damaged on the way.
    #[test]
    fn no_zip_brings_the_loader_down(wounds in proptest::collection::vec((0usize..4000, proptest::prelude::any::<u8>()), 1..8)) {
        let mut bytes = street().to_zip_bytes().unwrap();
        for (at, byte) in wounds {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Err(e) = load_zip("city.zip", &bytes, FeedId::from("x")) {
            proptest::prop_assert!(e.to_string().starts_with("city.zip: "), "{}", e);
        }
    }
}
