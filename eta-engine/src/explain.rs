//! Why a vehicle is on the trip it is on, for people: what was considered, what each part of the
//! evidence cost, what kept the others from being chosen, and which changes led here. Offline from a
//! replay and live from a running engine it is the same; it decides nothing itself.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use transit_model::dispatch::Phase;
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, UnixMs};
use transit_model::timetable::Timetable;

use crate::engine::health::TroubleKind;
use crate::matching::cost;
use crate::matching::explain::{Bar, Considered, Decision, Why};
use crate::matching::hypothesis::Parts;
use crate::world::TripDay;

/// A question for a running engine: which vehicle, and where the answer goes.
#[derive(Debug)]
pub struct Question {
    /// The vehicle.
    pub vehicle: VehicleId,
    /// `None` for a vehicle nobody has heard of.
    pub answer: tokio::sync::oneshot::Sender<Option<Explanation>>,
}

/// Why a vehicle is on what it is on, at its last fix.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The vehicle.
    pub vehicle_id: String,
    /// When its last fix was made.
    pub fix_time: UnixMs,
    /// The same for people, in the city's zone.
    pub fix_at: String,
    /// Degrees.
    pub lat: f64,
    /// Degrees.
    pub lon: f64,
    /// m/s.
    pub speed: Option<f32>,
    /// Degrees.
    pub bearing: Option<f32>,
    /// What it is doing.
    pub phase: Phase,
    /// How sure its trip is, 0..=1.
    pub confidence: f32,
    /// What it says of itself.
    pub says: Says,
    /// What is wrong with what it sends.
    pub trouble: Option<TroubleKind>,
    /// The answer in a sentence.
    pub verdict: String,
    /// What was considered, the cheapest first. Below nought is for it.
    pub candidates: Vec<Candidate>,
    /// The last changes of trip, oldest first.
    pub changes: Vec<Change>,
}

/// What a vehicle says of itself, and what that is worth.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Says {
    /// GTFS `trip_id`.
    pub trip_id: Option<String>,
    /// GTFS `route_id`.
    pub route_id: Option<String>,
    /// Its sign.
    pub sign: Option<String>,
    /// How much likelier that sign is out of service than on the line it goes with best: a log-likelihood ratio.
    pub sign_out_of_service: Option<f32>,
    /// Its run.
    pub run: Option<String>,
}

/// A trip that was considered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// `trip_id`.
    pub trip_id: String,
    /// Its service day.
    pub service_date: ServiceDate,
    /// What is written on the vehicle.
    pub route: String,
    /// Where it goes.
    pub headsign: String,
    /// `block_id`.
    pub block_id: Option<String>,
    /// When it starts, HH:MM.
    pub starts: String,
    /// Metres along its line.
    pub along_m: f32,
    /// Metres off its line.
    pub off_m: f32,
    /// `waiting`, `running` or `over`.
    pub state: String,
    /// Everything together.
    pub total: f32,
    /// Part by part.
    pub parts: Parts,
    /// It is the one that holds.
    pub chosen: bool,
    /// Why it is not the one, in words; nothing for the one that is.
    pub why_not: Option<String>,
}

/// A change of trip.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// When, for people.
    pub at: String,
    /// From which trip.
    pub from: Option<String>,
    /// To which.
    pub to: Option<String>,
    /// Why.
    pub why: Why,
    /// By how much the new one was cheaper.
    pub cheaper_by: Option<f32>,
}

/// What was considered and decided, told with the timetable's names.
#[must_use]
pub fn candidates(t: &Timetable, considered: &[Considered]) -> Vec<Candidate> {
    let held = considered.iter().find(|c| c.chosen);
    let all = considered.iter().map(|c| {
        let h = &c.hypothesis;
        let trip = t.trips.at(h.on.trip);
        let state = match (h.started, h.ended) {
            (_, Some(_)) => "over",
            (true, None) => "running",
            (false, None) => "waiting",
        };
        Candidate {
            trip_id: trip.id.to_string(),
            service_date: h.on.date,
            route: t.route_of(h.on.trip).short_name.to_string(),
            headsign: trip.headsign.to_string(),
            block_id: trip.block.map(|b| t.blocks.at(b).id.to_string()),
            starts: t.zone.hhmm(t.zone.at(h.on.date, t.starts(h.on.trip))),
            along_m: h.along,
            off_m: h.off,
            state: state.to_owned(),
            total: c.parts.total(),
            parts: c.parts,
            chosen: c.chosen,
            why_not: (!c.chosen).then(|| why_not(c, held)),
        }
    });
    all.collect()
}

fn why_not(c: &Considered, held: Option<&Considered>) -> String {
    let barred = match c.bar {
        Some(Bar::TooLittleSeen(come, needed)) => {
            Some(format!("it has come {come:.0} m along this line; {needed:.0} m are needed to believe it"))
        }
        Some(Bar::Sign) => Some("the sign says the vehicle is not in service".to_owned()),
        Some(Bar::NamedByAnother) => Some("another vehicle names this trip".to_owned()),
        None => None,
    };
    let Some(held) = held else {
        return barred
            .unwrap_or_else(|| "nothing is held, and this one was not near its line at the last fix".to_owned());
    };
    let dearer = c.parts.total() - held.parts.total();
    let priced = if dearer >= 0.0 {
        format!("dearer by {dearer:.1}: {}", most_of(&c.parts, &held.parts))
    } else if -dearer < cost::HYSTERESIS {
        format!("cheaper by {:.1}, but a change needs {:.1}", -dearer, cost::HYSTERESIS)
    } else {
        format!("cheaper by {:.1}", -dearer)
    };
    match barred {
        Some(bar) => format!("{bar}; {priced}"),
        None => priced,
    }
}

/// The parts of two costs by name.
fn named(p: &Parts) -> [(&'static str, f32); 10] {
    [
        ("distance", p.distance),
        ("heading", p.heading),
        ("before", p.before),
        ("timetable", p.timetable),
        ("idle", p.idle),
        ("taken", p.taken),
        ("block", p.block),
        ("route", p.route),
        ("sign", p.sign),
        ("run", p.tied),
    ]
}

/// What makes one dearer than another most.
fn most_of(dearer: &Parts, held: &Parts) -> String {
    let mut gaps: Vec<(&str, f32)> =
        named(dearer).into_iter().zip(named(held)).map(|((name, a), (_, b))| (name, a - b)).collect();
    gaps.sort_by(|a, b| b.1.total_cmp(&a.1));
    let said: Vec<String> =
        gaps.iter().filter(|(_, by)| *by >= 0.3).take(3).map(|(name, by)| format!("{name} +{by:.1}")).collect();
    if said.is_empty() { "in nothing much".to_owned() } else { said.join(", ") }
}

/// The changes, told with the timetable's names.
#[must_use]
pub fn changes(t: &Timetable, decisions: &[Decision]) -> Vec<Change> {
    let name = |on: TripDay| t.trips.at(on.trip).id.to_string();
    let told = decisions.iter().map(|d| Change {
        at: d.at.rfc3339(&t.zone),
        from: d.from.map(name),
        to: d.to.map(name),
        why: d.why,
        cheaper_by: d.cheaper_by,
    });
    told.collect()
}

/// The answer in a sentence.
#[must_use]
pub fn verdict(found: &[Candidate], phase: Phase, trouble: Option<TroubleKind>, named: bool) -> String {
    if let Some(kind) = trouble.filter(|k| *k != TroubleKind::TripContradicted) {
        return format!("on no trip: its positions are not believed ({})", kind.name());
    }
    let Some(held) = found.iter().find(|c| c.chosen) else {
        let next = found.first().map_or_else(
            || "no trip of any line could be here now".to_owned(),
            |c| {
                format!(
                    "the nearest thing is {} of route {}: {}",
                    c.trip_id,
                    c.route,
                    c.why_not.as_deref().unwrap_or("")
                )
            },
        );
        return format!("on no trip ({}): {next}", phase.name());
    };
    let what = format!("{} of route {} to {}, {}", held.trip_id, held.route, held.headsign, held.state);
    if named {
        return format!("{what}: the vehicle names it, and nothing contradicts it");
    }
    match found.iter().find(|c| !c.chosen) {
        None => format!("{what}: nothing else could be here now"),
        Some(next) => format!("{what}; next best {}: {}", next.trip_id, next.why_not.as_deref().unwrap_or("")),
    }
}

/// The explanation as text, for a terminal.
#[must_use]
pub fn text(e: &Explanation) -> String {
    let mut out = String::new();
    let say = |out: &mut String, line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    say(&mut out, format!("vehicle {} at {}  {:.6}, {:.6}", e.vehicle_id, e.fix_at, e.lat, e.lon));
    let speed = e.speed.map_or_else(|| "speed unknown".to_owned(), |v| format!("{v:.1} m/s"));
    let course = e.bearing.map_or_else(|| "course unknown".to_owned(), |b| format!("course {b:.0}°"));
    say(&mut out, format!("phase {}, confidence {:.2}, {speed}, {course}", e.phase.name(), e.confidence));
    let said: Vec<String> =
        [("trip", &e.says.trip_id), ("route", &e.says.route_id), ("sign", &e.says.sign), ("run", &e.says.run)]
            .into_iter()
            .filter_map(|(what, v)| v.as_ref().map(|v| format!("{what} {v}")))
            .collect();
    let mut says = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    if let Some(ratio) = e.says.sign_out_of_service {
        let _infallible = write!(says, " (out of service rather than in: {ratio:+.1})");
    }
    say(&mut out, format!("it says: {says}"));
    if let Some(kind) = e.trouble {
        say(&mut out, format!("trouble: {}", kind.name()));
    }
    say(&mut out, format!("\n{}\n", e.verdict));
    if !e.candidates.is_empty() {
        say(
            &mut out,
            format!(
                "  {:<28} {:>6} {:>5} {:>7} {:>5} {:<7} {:>6} {:>5} {:>5} {:>6} {:>6} {:>5} {:>5} {:>6} {:>5} {:>5} {:>5}",
                "trip",
                "route",
                "start",
                "along",
                "off",
                "state",
                "total",
                "dist",
                "head",
                "before",
                "plan",
                "idle",
                "taken",
                "block",
                "route",
                "sign",
                "run"
            ),
        );
    }
    for c in &e.candidates {
        let parts: Vec<f32> = named(&c.parts).into_iter().map(|(_, v)| v).collect();
        let cell = |n: usize, wide: usize| format!("{:>wide$.1}", parts.get(n).copied().unwrap_or_default());
        say(
            &mut out,
            format!(
                "{} {:<28} {:>6} {:>5} {:>7.0} {:>5.0} {:<7} {:>6.1} {} {} {} {} {} {} {} {} {} {}",
                if c.chosen { "*" } else { " " },
                c.trip_id,
                c.route,
                c.starts,
                c.along_m,
                c.off_m,
                c.state,
                c.total,
                cell(0, 5),
                cell(1, 5),
                cell(2, 6),
                cell(3, 6),
                cell(4, 5),
                cell(5, 5),
                cell(6, 6),
                cell(7, 5),
                cell(8, 5),
                cell(9, 5)
            ),
        );
        if let Some(why) = &c.why_not {
            say(&mut out, format!("      not this: {why}"));
        }
    }
    if !e.changes.is_empty() {
        say(&mut out, "\nchanges of trip:".to_owned());
    }
    for c in &e.changes {
        let name = |id: &Option<String>| id.clone().unwrap_or_else(|| "none".to_owned());
        let by = c.cheaper_by.map_or_else(String::new, |by| format!(", by {by:.1}"));
        say(&mut out, format!("  {}  {} → {}  ({}{by})", c.at, name(&c.from), name(&c.to), why_words(c.why)));
    }
    out
}

const fn why_words(why: Why) -> &'static str {
    match why {
        Why::Best => "the best of those that could be",
        Why::Named => "the vehicle names it",
        Why::Cheaper => "cheaper",
        Why::Lost => "long off its line",
        Why::Parked => "came to rest away from its line",
        Why::Sign => "its sign says not in service",
        Why::NamesNone => "it names no trip any more",
        Why::Contradicted => "what it names cannot be true",
        Why::Reset => "it was silent, or could not be believed",
    }
}
