//! Every scenario of the project, played through the ingest's gate and the engine, judged against the
//! truth by its own `[expect]`; and what is wrong in a scenario is refused with its line.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use eta_engine::engine::{Engine, Model, Settings, concerns};
use simulator::hearing::Hearing;
use simulator::scenario::{Figure, Figures, Opened, Scenario};
use simulator::tracker::fault::{Kind, Rule};
use simulator::tracker::{Place, Report};
use tracker_ingest::gate::Verdict;
use tracker_ingest::rejection::Fate;
use transit_model::clock::Stopwatch;
use transit_model::dispatch::{Phase, VehicleKind};
use transit_model::ids::{StopPos, TripIdx, VehicleId};
use transit_model::plane::haversine;
use transit_model::time::{ServiceDate, UnixMs};

/// What is counted on the way.
#[derive(Default)]
struct Tally {
    reports: u64,
    good: u64,
    good_live: u64,
    on_trip: u64,
    right: u64,
    wrong: u64,
    misplaced: u64,
    spoofed: u64,
    lost: u64,
}

/// A system on a scenario: the gate and the engine as `zupynka serve` joins them, without sockets.
struct Run {
    opened: Opened,
    spoofed_to: Vec<(f64, f64)>,
    gate: Hearing,
    engine: Engine,
    tally: Tally,
    figures: Figures,
    raised: BTreeSet<(String, String)>,
    seen: BTreeMap<(VehicleId, TripIdx, ServiceDate, StopPos), UnixMs>,
    held: Vec<Promise>,
}

/// What a held vehicle is promised at a moment, beside the timetable.
struct Promise {
    call: (VehicleId, TripIdx, ServiceDate, StopPos),
    /// How long after its last true fix it is to come, seconds.
    lead: i64,
    calculated: UnixMs,
    scheduled: UnixMs,
}

impl Run {
    fn new(opened: Opened) -> Self {
        let fleet = opened.fleet();
        let called_to = |(_, rule): (usize, &Rule)| match rule.kind {
            Kind::Spoofing { to } => Some(to),
            _ => None,
        };
        let spoofed_to = fleet.faults().rules().filter_map(called_to).collect();
        let mut engine = Engine::new(opened.timetable.clone(), Settings::default(), Model::default());
        engine.set_kinds(opened.machines().iter().map(|m| (VehicleId::from(m.id), m.kind.vehicle_kind())));
        Self {
            spoofed_to,
            gate: Hearing::of(&opened.timetable),
            engine,
            opened,
            tally: Tally::default(),
            figures: Figures::default(),
            raised: BTreeSet::new(),
            seen: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn hear(&mut self, report: &Report) {
        let t = &mut self.tally;
        t.reports += 1;
        let off = haversine(report.fix.lat, report.fix.lon, report.truth.lat, report.truth.lon);
        let on_time = report.fix.time.secs_since(report.made).abs() <= 5;
        let good = report.heard().is_some() && !report.again && off <= 50.0 && on_time;
        t.good += u64::from(good);
        let judged = self.gate.judge(report);
        let refused = match &judged.verdict {
            Verdict::Live(_) => None,
            Verdict::HistoryOnly(_, r) | Verdict::Refused(r) => Some(*r),
        };
        if let Some(r) = refused {
            *self.figures.refused.entry(r).or_default() += 1;
            t.lost += u64::from(!report.stranger && report.place == Place::Valid && r.fate() == Fate::Turned);
        }
        let Verdict::Live(fix) = judged.verdict else { return };
        t.good_live += u64::from(good);
        t.misplaced += u64::from(off > 500.0);
        let called = |(lat, lon): &(f64, f64)| haversine(*lat, *lon, fix.lat, fix.lon) < 1000.0;
        t.spoofed += u64::from(self.spoofed_to.iter().any(called));
        let _the_engine_may_have_its_doubts = self.engine.take(&fix);
        let Some(trip) = report.truth.trip.filter(|_| report.truth.phase == Phase::InProgress) else { return };
        t.on_trip += 1;
        let said = self.engine.vehicle(&fix.vehicle).and_then(|v| v.track.chosen()).map(|h| (h.on.trip, h.on.date));
        match said {
            Some(said) if said == (trip, report.date) => t.right += 1,
            Some(_) => t.wrong += 1,
            None => {}
        }
    }

    fn tick(&mut self, now: UnixMs) {
        self.engine.set_raids(self.gate.raids(now));
        self.engine.predict_all(now);
        let world = self.engine.world(now, true);
        self.raised.extend(concerns::of(&world).into_iter().map(|c| (c.kind, c.key)));
        for v in world.vehicles.iter() {
            let Some(held) = v.held else { continue };
            for c in v.ahead.iter().filter(|c| (now..=held.until).contains(&c.published_arrival)) {
                self.held.push(Promise {
                    call: (v.id.clone(), c.on.trip, c.on.date, c.pos),
                    lead: c.published_arrival.secs_since(held.since),
                    calculated: c.published_arrival,
                    scheduled: c.scheduled_arrival,
                });
            }
        }
        let warfare = self.gate.episodes(now).into_iter();
        self.raised.extend(warfare.map(|e| (e.kind.name().to_owned(), format!("{:?}", e.since))));
        for e in self.engine.drain_events() {
            let vehicle = self.engine.vehicles()[e.vehicle as usize].id.clone();
            if let Some(at) = e.arrival.or(e.departure) {
                self.seen.insert((vehicle, e.on.trip, e.on.date, e.pos), at);
            }
        }
    }

    /// The share of the stops truly served that were seen as served.
    fn stops_seen(&self) -> f64 {
        let (from, to) = (self.opened.from.plus_secs(600), self.opened.to.plus_secs(-600));
        let fleet = self.opened.fleet();
        let date = self.opened.timetable.zone.date(self.opened.from);
        let (mut all, mut seen) = (0u32, 0u32);
        for v in fleet.plan(date).vehicles.iter().filter(|v| v.kind == VehicleKind::Transit) {
            for s in v.stops() {
                let Some(at) = s.arrival.filter(|a| (from..to).contains(a)) else { continue };
                all += 1;
                let event = self.seen.get(&(v.vehicle.clone(), s.trip, date, s.call));
                seen += u32::from(event.is_some_and(|e| e.secs_since(at).abs() <= 120));
            }
        }
        percent(seen.into(), all.into())
    }

    /// How far the promises of held vehicles were off, by calculation and by the timetable: how many, and the
    /// mean of each, seconds; by their lead in steps of five minutes.
    fn held(&self) -> BTreeMap<i64, (u32, f64, f64)> {
        let fleet = self.opened.fleet();
        let date = self.opened.timetable.zone.date(self.opened.from);
        let mut truth = BTreeMap::new();
        for v in &fleet.plan(date).vehicles {
            for s in v.stops() {
                truth.extend(s.arrival.map(|at| ((v.vehicle.clone(), s.trip, date, s.call), at)));
            }
        }
        let mut by_lead: BTreeMap<i64, (u32, f64, f64)> = BTreeMap::new();
        for p in &self.held {
            let Some(at) = truth.get(&p.call) else { continue };
            let bin = by_lead.entry(p.lead / 300).or_default();
            bin.0 += 1;
            bin.1 += at.secs_since(p.calculated).abs() as f64;
            bin.2 += at.secs_since(p.scheduled).abs() as f64;
        }
        by_lead
    }

    fn all(mut self) -> Figures {
        let fleet = self.opened.fleet();
        let mut tick = self.opened.from.plus_secs(60);
        for report in fleet.reports_between(self.opened.from, self.opened.to) {
            while tick <= report.fix.received {
                self.tick(tick);
                tick = tick.plus_secs(60);
            }
            self.hear(&report);
        }
        self.tick(self.opened.to);
        let stops = self.stops_seen();
        let held = self.held();
        for (bin, (n, calculated, scheduled)) in &held {
            let mean = |sum: &f64| sum / f64::from(*n);
            println!(
                "held, {}-{} min: {n} calls, off {:.0} s, timetable {:.0} s",
                bin * 5,
                bin * 5 + 5,
                mean(calculated),
                mean(scheduled)
            );
        }
        let (calls, calculated, scheduled) =
            held.values().fold((0, 0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
        let Self { tally: t, mut figures, raised, .. } = self;
        for (kind, _) in raised {
            *figures.raised.entry(kind).or_default() += 1;
        }
        figures.values.extend([
            (Figure::Reports, t.reports as f64),
            (Figure::Live, percent(t.good_live, t.good)),
            (Figure::RightTrip, percent(t.right, t.on_trip)),
            (Figure::WrongTrip, percent(t.wrong, t.on_trip)),
            (Figure::Misplaced, t.misplaced as f64),
            (Figure::InSpoofedPlace, t.spoofed as f64),
            (Figure::Lost, t.lost as f64),
            (Figure::StopsSeen, stops),
            (Figure::HeldCalls, f64::from(calls)),
        ]);
        if calls > 0 {
            let mean = |sum: f64| sum / f64::from(calls);
            figures.values.extend([(Figure::HeldMae, mean(calculated)), (Figure::HeldTimetableMae, mean(scheduled))]);
        }
        figures
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// Plays a scenario and holds the system to what it expects.
fn holds(name: &str) -> Figures {
    let scenario = Scenario::find(name).unwrap();
    let watch = Stopwatch::start();
    let opened = scenario.open().unwrap();
    assert_eq!(opened.fleet().plan(scenario.start.0).unmet, [], "{name}: all that is asked for happens");
    let figures = Run::new(opened).all();
    println!("{name}, {:.1} s: {figures}", watch.elapsed().as_secs_f64());
    if let (Some(calculated), Some(timetable)) =
        (figures.values.get(&Figure::HeldMae), figures.values.get(&Figure::HeldTimetableMae))
    {
        assert!(calculated < timetable, "{name}: what is calculated is worth more than the timetable: {figures}");
    }
    let unmet: Vec<String> = scenario.expect.unmet(&figures).iter().map(ToString::to_string).collect();
    assert!(unmet.is_empty(), "{name}: {}", unmet.join("; "));
    assert!(!scenario.expect.bars.is_empty());
    figures
}

macro_rules! scenarios {
    ($($test:ident $name:literal,)*) => {
        $(#[test] fn $test() { holds($name); })*

        #[test]
        fn every_scenario_of_the_project_is_played() {
            let played = BTreeSet::from([$($name),*]);
            assert_eq!(Scenario::names().collect::<BTreeSet<_>>(), played);
            let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios")).unwrap();
            let files: BTreeSet<String> =
                folder.map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()).collect();
            assert_eq!(files, played.into_iter().map(str::to_owned).collect());
        }
    };
}

scenarios! {
    everyday "everyday",
    dead_zone "dead-zone",
    jamming "jamming",
    spoofing "spoofing",
    clock_faults "clock-faults",
    mixed_old_trackers "mixed-old-trackers",
    terminal_drift "terminal-drift",
    breakdowns "breakdowns",
    detour "detour",
    bunching "bunching",
    war_day "war-day",
}

/// A scenario that is right, with lines put in.
fn with(lines: &str) -> String {
    format!("name = \"x\"\nabout = \"y\"\nstart = \"2026-11-24 07:00\"\nduration = \"02:00\"\n{lines}\n")
}

#[test]
fn what_is_wrong_in_a_scenario_is_refused_with_its_line() {
    let jam = "[[fault]]\nkind = \"jamming\"\n";
    for (lines, line, says) in [
        ("[[fault]]\n\nkind = \"solar_flare\"", 7, "there is no fault `solar_flare`; there are: interval, dead_zone"),
        ("[[fault]]\nshare = 0.5", 5, "a fault needs `kind`"),
        (
            &format!("{jam}from = \"06:59\""),
            7,
            "`from` is 06:59:00, outside the run, which lasts from 07:00:00 to 09:00:00",
        ),
        (&format!("{jam}from = \"08:00\"\nto = \"09:00:01\""), 8, "`to` is 09:00:01, outside the run"),
        (&format!("{jam}from = \"08:00\"\nto = \"07:30\""), 8, "must be after `from`"),
        (&format!("{jam}from = \"8 o'clock\""), 7, "must be a time, HH:MM or HH:MM:SS"),
        (&format!("{jam}share = 1.5"), 7, "`share` is 1.5, which must be a number from 0 to 1"),
        (&format!("{jam}metres = 5"), 7, "fault `jamming` has no `metres`"),
        (&format!("{jam}says = \"hello\""), 7, "must be one of nothing, last_place, no_place"),
        (&format!("{jam}zone = {{ lat = 48.0, radius_m = 5 }}"), 7, "`zone` needs `lon`"),
        (&format!("{jam}protocols = [\"semaphore\"]"), 7, "`semaphore` is not a protocol"),
        ("[[fault]]\nkind = \"duplicates\"", 5, "fault `duplicates` needs `chance`"),
        ("[[fault]]\nkind = \"interval\"\nseconds = 61", 7, "`seconds` is 61, which must be a number from 1 to 60"),
        ("[[fault]]\nkind = \"wrong_imei\"\nfrom = \"08:00\"", 7, "fault `wrong_imei` has no `from`"),
        ("[[fault]]\nkind = \"spoofing\"\nplace = { lat = 95, lon = 1 }", 7, "`lat` is 95"),
        ("[protocols]\nsemaphore = 1", 6, "`semaphore` is not a protocol"),
        ("[protocols]\nteltonika = 0", 5, "no protocol has a weight"),
        ("wind = \"strong\"", 5, "unknown field `wind`"),
        ("vehicles = 0", 5, "`vehicles` is 0"),
        ("seed = ", 5, ""),
        ("[[disturbance]]\nkind = \"flood\"", 5, "disturbance: "),
        ("[[disturbance]]\nkind = \"weather\"\nfrom = \"07:30\"\nto = \"09:30\"\nfactor = 2.0", 8, "outside the run"),
        ("[[disturbance]]\nkind = \"weather\"\nfrom = \"07:30\"\nto = \"08:30\"\nfactor = 99.0", 5, "factor is 99"),
        ("[expect]\nhappiness_min = 3", 6, "`expect` has no `happiness_min`"),
        ("[expect]\nlost = 3", 6, "must be a name that ends in _min or _max"),
        ("[expect]\nrefused = { tired_min = 3 }", 6, "`refused` has no `tired_min`"),
    ] {
        let e = Scenario::read("x.toml", &with(lines)).unwrap_err().to_string();
        assert!(e.starts_with(&format!("x.toml, line {line}: ")) && e.contains(says), "{lines}\n{e}");
    }
    let twice = with("").replace("duration = \"02:00\"", "duration = \"900:00\"");
    let e = Scenario::read("x.toml", &twice).unwrap_err().to_string();
    assert!(e.contains("line 4: `duration` is"), "{e}");
    let many = with(&jam.repeat(65));
    assert!(Scenario::read("x.toml", &many).unwrap_err().to_string().contains("more than 64 faults"));
    assert!(Scenario::find("doomsday").unwrap_err().to_string().contains("there is no scenario `doomsday`"));
    let missing = Scenario::find("/nowhere/at/all.toml").unwrap_err().to_string();
    assert!(missing.contains("/nowhere/at/all.toml: "), "{missing}");
}

#[test]
fn a_scenario_keeps_its_name_and_says_what_it_is_for() {
    for (name, scenario) in Scenario::names().zip(Scenario::all().unwrap()) {
        assert_eq!(name, scenario.name);
        assert!(scenario.about.len() > 20 && !scenario.about.contains('\n'));
    }
}

#[test]
fn at_another_time_a_scenario_goes_wrong_as_long_after_its_beginning() {
    let scenario = Scenario::find("war-day").unwrap();
    let (as_planned, now) = (scenario.open().unwrap(), UnixMs(1_795_600_000_000));
    let moved = scenario.open_at(Some(now)).unwrap();
    assert_eq!((moved.from, moved.to.0 - moved.from.0), (now, as_planned.to.0 - as_planned.from.0));
    let windows = |o: &Opened| -> Vec<(i64, i64)> {
        let of = |r: &Rule| r.window.map(|(a, b)| (a.0 - o.from.0, b.0 - o.from.0)).unwrap();
        o.fleet().faults().rules().map(|(_, r)| of(r)).collect()
    };
    assert_eq!(windows(&moved), windows(&as_planned));
}

#[test]
fn what_is_expected_and_was_not_measured_does_not_hold() {
    let expect = Scenario::read("x", &with("[expect]\nlost_max = 0\nrefused = { jump_min = 1 }")).unwrap().expect;
    let unmet: Vec<String> = expect.unmet(&Figures::default()).iter().map(ToString::to_string).collect();
    assert_eq!(unmet, ["refused.jump is 0.00, expected from 1 to inf", "lost was not measured, expected from 0 to 0"]);
}
