//! A made-up town on the web boards, to look at the pages without trackers or a feed:
//! `cargo run -p eta-engine --example web_demo -- [PORT] [SPEED]`.
//!
//! Vehicles run by the timetable and a lateness of their own; some fall silent, so that every way
//! a board can look is there.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use eta_engine::auth::{Role, TokenBook, issue};
use eta_engine::board::hold::{Published as Told, hold};
use eta_engine::http::{Limits, Published, Setup, router, serve};
use eta_engine::world::{CallPrediction, OnTrip, TripDay, TripProgress, TripSpan, Vehicle, World};
use prometheus_client::registry::Registry;
use rustc_hash::FxHashMap;
use transit_model::clock::{ScaledClock, SharedClock};
use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::gtfs::{GtfsFiles, load_files};
use transit_model::ids::{FeedId, Idx, StopPos, TripIdx, VehicleId};
use transit_model::time::{ServiceTime, UnixMs};
use transit_model::timetable::Timetable;

const STOPS: [(&str, &str, f64, f64); 14] = [
    ("vokzal", "Залізничний вокзал", 48.8640, 37.6120),
    ("rynok", "Центральний ринок", 48.8602, 37.6135),
    ("soborna", "Соборна площа", 48.8566, 37.6152),
    ("teatr", "Театр", 48.8541, 37.6183),
    ("likarnia", "Міська лікарня ім. Леніна <script>alert(1)</script>", 48.8512, 37.6221),
    ("park", "Парк «Шовковичний»", 48.8485, 37.6255),
    ("kurort", "Курорт", 48.8433, 37.6291),
    ("khimik", "Мікрорайон Хімік", 48.8610, 37.5980),
    ("artema", "Мікрорайон Артема", 48.8655, 37.5902),
    ("lisnyi", "Мікрорайон Лісний", 48.8385, 37.6120),
    ("avto", "Автостанція № 1", 48.8589, 37.6098),
    ("keramik", "Завод «Керамік»", 48.8702, 37.6201),
    ("bilbasivka", "Білбасівка", 48.8290, 37.5800),
    ("sviatohirsk", "Святогірськ, Лавра", 49.0330, 37.5700),
];

type Line = (&'static str, &'static str, u8, &'static str, i32, &'static [&'static str]);

/// Number, colour, `route_type`, headsign, minutes between trips, stops.
const LINES: [Line; 9] = [
    ("2", "0b6e4f", 11, "Курорт", 9, &["vokzal", "rynok", "soborna", "teatr", "likarnia", "park", "kurort"]),
    (
        "2",
        "0b6e4f",
        11,
        "Залізничний вокзал",
        9,
        &["kurort", "park", "likarnia", "teatr", "soborna", "rynok", "vokzal"],
    ),
    ("5", "1d4ed8", 3, "Мікрорайон Лісний", 12, &["artema", "khimik", "avto", "soborna", "teatr", "lisnyi"]),
    ("5", "1d4ed8", 3, "Мікрорайон Артема", 12, &["lisnyi", "teatr", "soborna", "avto", "khimik", "artema"]),
    ("10", "b45309", 3, "Завод «Керамік»", 17, &["kurort", "teatr", "soborna", "rynok", "keramik"]),
    ("14", "ffd34d", 3, "Білбасівка", 25, &["keramik", "vokzal", "soborna", "avto", "bilbasivka"]),
    ("1а", "7c3aed", 11, "Мікрорайон Хімік", 14, &["park", "teatr", "soborna", "avto", "khimik"]),
    (
        "142",
        "be123c",
        3,
        "Святогірськ, Лавра (через Олександрівку та Дібровне)",
        45,
        &["avto", "soborna", "keramik", "sviatohirsk"],
    ),
    ("8", "", 3, "Мікрорайон Артема", 22, &["kurort", "soborna", "artema"]),
];

fn feed() -> Result<Timetable, Box<dyn Error>> {
    let mut stops = "stop_id,stop_code,stop_name,stop_lat,stop_lon,wheelchair_boarding\n".to_owned();
    for (n, (id, name, lat, lon)) in STOPS.iter().enumerate() {
        writeln!(stops, "{id},{},\"{name}\",{lat},{lon},1", 101 + n)?;
    }
    let mut routes = "route_id,route_short_name,route_long_name,route_type,route_color,route_text_color\n".to_owned();
    let mut trips = "route_id,service_id,trip_id,direction_id,trip_headsign,wheelchair_accessible\n".to_owned();
    let mut times = "trip_id,arrival_time,departure_time,stop_id,stop_sequence\n".to_owned();
    let mut seen = Vec::new();
    for (n, (number, colour, kind, headsign, every, calls)) in LINES.iter().enumerate() {
        let direction = usize::from(seen.contains(number));
        if direction == 0 {
            writeln!(routes, "r{number},{number},,{kind},{colour},{}", if colour.is_empty() { "" } else { "FFFFFF" })?;
            seen.push(number);
        }
        let (step, last) = (i32::try_from(n)?, 23 * 60);
        for start in (5 * 60 + step..last).step_by(usize::try_from(*every)?) {
            let trip = format!("{number}-{n}-{start}");
            writeln!(trips, "r{number},every,{trip},{direction},\"{headsign}\",{}", (start + step) % 2 + 1)?;
            for (seq, stop) in calls.iter().enumerate() {
                let at = start * 60 + i32::try_from(seq)? * 210;
                writeln!(times, "{trip},{0},{0},{stop},{1}", ServiceTime(at), seq + 1)?;
            }
        }
    }
    let files = GtfsFiles::default()
        .with("agency.txt", "agency_id,agency_name,agency_url,agency_timezone\n1,Слов’янськ,https://example.org,Europe/Kyiv\n")
        .with("stops.txt", stops)
        .with("routes.txt", routes)
        .with("calendar.txt", "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\nevery,1,1,1,1,1,1,1,20260101,20271231\n")
        .with("trips.txt", trips)
        .with("stop_times.txt", times);
    Ok(load_files(&files, FeedId::from("demo"))?.timetable)
}

/// What has been told of each call: law 1 is the engine's to keep.
type Memory = FxHashMap<(TripDay, StopPos), Told>;

fn vehicle(t: &Timetable, on: TripDay, now: UnixMs, memory: &mut Memory) -> Option<Vehicle> {
    let n = i64::try_from(on.trip.at()).ok()?;
    let wave = (now.secs() / 20 + n * 7) % 40;
    let late = (n * 37) % 420 - 60 + (wave - 20).abs();
    let silent = match n % 9 {
        0 => 70,
        4 => 130,
        _ => n % 12,
    };
    let fix = now.plus_secs(-silent);
    let start = t.zone.day_start(on.date);
    let calls = &t.pattern_of(on.trip).calls;
    let all: Vec<_> = (0u16..).map(StopPos).zip(t.times(on.trip)).zip(calls.iter()).collect();
    let moment = |s: ServiceTime| start.plus_secs(i64::from(s.0));
    let next = all.iter().take_while(|((_, c), _)| moment(c.departure).plus_secs(late) <= now).count();
    let ahead: Vec<_> = all
        .iter()
        .skip(next)
        .map(|((pos, c), call)| {
            let arrival = moment(c.arrival).plus_secs(late);
            let told = hold(memory.get(&(on, *pos)).copied(), arrival, now);
            memory.insert((on, *pos), told);
            CallPrediction {
                on,
                pos: *pos,
                stop: call.stop,
                scheduled_arrival: moment(c.arrival),
                scheduled_departure: moment(c.departure),
                arrival,
                arrival_p10: arrival.plus_secs(-45),
                arrival_p90: arrival.plus_secs(80),
                departure: arrival.plus_secs(15),
                published_arrival: told.shown,
                published_departure: told.shown.plus_secs(15),
            }
        })
        .collect();
    let at = t.stops.at(calls.get(next.min(calls.len().checked_sub(1)?))?.stop);
    Some(Vehicle {
        trouble: None,
        id: VehicleId::from(format!("{}", 100 + n)),
        kind: VehicleKind::Transit,
        phase: Phase::InProgress,
        confidence: 0.95,
        lat: at.lat,
        lon: at.lon,
        speed: Some(7.0),
        bearing: None,
        fix_time: fix,
        received: fix,
        held: None,
        on_trip: Some(OnTrip {
            on,
            along: 0.0,
            next: StopPos::new(next),
            fraction: 0.5,
            delay: i32::try_from(late).ok(),
        }),
        ahead: ahead.into(),
        history: Arc::from([TripSpan { on: Some(on), from: now.plus_secs(-600), to: fix }]),
    })
}

fn world(t: &Arc<Timetable>, version: u64, now: UnixMs, memory: &mut Memory) -> World {
    let date = t.zone.date(now);
    let clock = t.zone.service_time(date, now);
    let followed = |trip: &TripIdx| {
        let (from, to) = (t.starts(*trip), t.ends(*trip));
        // One trip in seven has no tracker.
        from.0 - 60 <= clock.0 && clock.0 <= to.0 + 300 && trip.at() % 7 != 3
    };
    let on = |trip| TripDay { date, trip };
    let vehicles = t.trips.indices().filter(followed).filter_map(|trip| vehicle(t, on(trip), now, memory)).collect();
    let cancelled = |trip: &TripIdx| trip.at() % 23 == 5;
    let progress =
        t.trips.indices().filter(cancelled).map(|trip| (on(trip), TripProgress { passed: 0, cancelled: true }));
    let progress = Arc::new(progress.collect());
    World { version, ready: true, progress, ..World::empty(Arc::clone(t), now) }.with_vehicles(vehicles)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let port: u16 = args.next().unwrap_or_else(|| "8090".to_owned()).parse()?;
    let speed: f64 = args.next().unwrap_or_else(|| "1".to_owned()).parse()?;
    let t = Arc::new(feed()?);
    let start = t.zone.at("20260506".parse()?, args.next().unwrap_or_else(|| "17:42:10".to_owned()).parse()?);
    let clock: SharedClock = Arc::new(ScaledClock::starting(start, speed));
    let mut memory = Memory::default();
    let published = Arc::new(Published::new(world(&t, 0, start, &mut memory)));
    let (token, row) = issue(transit_model::clock::entropy()?, Role::Dispatcher, "demo", None);
    let setup = Setup {
        published: Arc::clone(&published),
        clock: Arc::clone(&clock),
        tokens: Arc::new(ArcSwap::from_pointee(TokenBook::new(vec![row]))),
        registry: Registry::default(),
        feed_zip: None,
        extra_concerns: Arc::default(),
        devices: Arc::default(),
        questions: None,
        trust_proxy: false,
        store: None,
        limits: Limits::default(),
    };
    let (beat, mut version) = (Arc::clone(&clock), 0);
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        loop {
            every.tick().await;
            version += 1;
            published.publish(world(&t, version, beat.now(), &mut memory));
        }
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    #[expect(clippy::print_stdout, reason = "a program says where it is")]
    {
        println!(
            "http://127.0.0.1:{port}/  http://127.0.0.1:{port}/stop/soborna  http://127.0.0.1:{port}/board/soborna"
        );
        println!("dispatcher: {token}");
    }
    let router = router(setup);
    serve(listener, router, async {
        // Ctrl-C is the only way out; when it cannot be heard there is none.
        let _ = tokio::signal::ctrl_c().await;
    })
    .await?;
    Ok(())
}
