//! What a demo prints: what to open, and where it is in time.

use std::net::SocketAddr;
use std::path::Path;

use tracker_ingest::Addresses;
use tracker_ingest::codec::Protocol;
use transit_model::ids::StopIdx;
use transit_model::time::Zone;
use transit_model::timetable::Timetable;

use super::moment::{Moment, Why};

/// What there is to say.
pub(super) struct Facts<'a> {
    /// The feed.
    pub shown_name: &'a str,
    /// The city's zone.
    pub zone: &'a Zone,
    /// Where its clock began.
    pub moment: Moment,
    /// How fast it runs.
    pub speed: u32,
    /// Where the web side listens.
    pub http: SocketAddr,
    /// A stop worth looking at.
    pub stop: StopIdx,
    /// The timetable.
    pub timetable: &'a Timetable,
    /// Where the dispatcher's token is.
    pub token_file: &'a Path,
    /// How many trackers there are.
    pub trackers: usize,
    /// Where trackers connect.
    pub addresses: Addresses,
}

/// Prints the table.
#[expect(clippy::print_stdout, reason = "what the person who started the demo is to read")]
pub(super) fn print(f: &Facts<'_>) {
    print!("{}", text(f, &program()));
}

/// Prints that the demo is closing.
#[expect(clippy::print_stdout, reason = "what the person who ended the demo is to read")]
pub(super) fn closing() {
    println!("\nЗавершуємо… closing: saving what was learned.");
}

fn text(f: &Facts<'_>, program: &str) -> String {
    let base = format!("http://localhost:{}", f.http.port());
    let stop = f.timetable.stops.at(f.stop);
    let id = encoded(&stop.id);
    let city_time = f.zone.zoned(f.moment.at).strftime("%Y-%m-%d %H:%M").to_string();
    let why = match f.moment.why {
        Why::Now => "",
        Why::Resumed => "продовжуємо з минулого разу / going on from last time",
        Why::Night => "у місті ніч, тож показуємо ранок / it is night there, so this is the morning",
        Why::OtherDays => "календар розкладу не про сьогодні / the feed's calendar is for other days",
    };
    let address = |a: Option<SocketAddr>| a.map_or_else(|| "-".to_owned(), |a| a.to_string());
    let speed = if f.speed == 1 { String::new() } else { format!(", ×{}", f.speed) };
    let mut out = format!("\nЗупинка працює · Zupynka is running: {} · {} trackers\n", f.shown_name, f.trackers);
    out.push_str(&format!("Час міста / city time: {city_time} ({}{speed}) {why}\n\n", f.zone.name()));
    let rows = [
        ("пошук зупинки / find a stop", format!("{base}/")),
        ("зупинка в телефоні / a stop on the phone", format!("{base}/stop/{id}")),
        ("табло / a kiosk board", format!("{base}/board/{id}")),
        ("табло в терміналі / terminal board", format!("{program} board --server {base} --stop {}", quoted(&stop.id))),
        (
            "диспетчер / dispatcher",
            format!("{program} dispatch --server {base} --token-file {}", quoted(&f.token_file.display().to_string())),
        ),
        ("показники / metrics", format!("{base}/metrics")),
        (
            "трекери / trackers",
            format!(
                "Teltonika {}  OsmAnd http://{}  MQTT {}",
                address(f.addresses.of(Protocol::Teltonika)),
                address(f.addresses.of(Protocol::Osmand)),
                address(f.addresses.of(Protocol::MqttJson))
            ),
        ),
    ];
    for (what, open) in rows {
        let pad = 44usize.saturating_sub(what.chars().count());
        out.push_str(&format!("  {what}{}{open}\n", " ".repeat(pad)));
    }
    out.push_str(&format!("\nЗупинка {} · Ctrl-C завершує / ends it\n", stop.name));
    out
}

/// How this program was started, as a person would type it.
fn program() -> String {
    let path = std::env::args().next().unwrap_or_else(|| "zupynka".to_owned());
    let here = std::env::current_dir().ok();
    let short = here.and_then(|h| Path::new(&path).strip_prefix(h).ok().map(|p| format!("./{}", p.display())));
    quoted(&short.unwrap_or(path))
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// An id as a part of an address.
fn encoded(id: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    id.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use transit_model::ids::Idx as _;
    use transit_model::time::UnixMs;

    #[test]
    fn it_says_what_to_open_and_what_time_it_is() {
        let t = simulator::city::load("20261122".parse().unwrap()).unwrap().timetable;
        let facts = Facts {
            shown_name: "sloviansk-demo",
            zone: &t.zone,
            moment: Moment { at: UnixMs::from_secs(1_795_354_825), why: Why::Night, rewinds: false },
            speed: 10,
            http: SocketAddr::from(([0, 0, 0, 0], 8081)),
            stop: StopIdx::new(0),
            timetable: &t,
            token_file: Path::new("zupynka data/dispatcher.token"),
            trackers: 44,
            addresses: Addresses::default(),
        };
        let said = text(&facts, "zupynka");
        let id = encoded(&t.stops.at(StopIdx::new(0)).id);
        for part in [
            "2026-11-22 15:40 (Europe/Kyiv, ×10) у місті ніч",
            "http://localhost:8081/\n",
            &format!("http://localhost:8081/board/{id}"),
            "zupynka board --server http://localhost:8081 --stop",
            "--token-file 'zupynka data/dispatcher.token'",
        ] {
            assert!(said.contains(part), "{part:?} is not in\n{said}");
        }
    }

    #[test]
    fn ids_are_safe_in_addresses_and_shells() {
        assert_eq!(encoded("a b/я"), "a%20b%2F%D1%8F");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("./zupynka"), "./zupynka");
    }
}
