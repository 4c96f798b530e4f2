//! From TOML to a scenario.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;
use tracker_ingest::codec::Protocol;
use transit_model::ids::VehicleId;
use transit_model::time::{ServiceDate, ServiceTime};

use super::expect::Expect;
use super::keys::{At, Keys, Problem, Table, senseless, time, within};
use super::{City, Scenario, ScenarioError, Timed};
use crate::drive::{Disturbance, Mishaps};
use crate::tracker::Split;
use crate::tracker::fault::{Damage, Faults, Kind, Order, Rule, Says, Spells, Who, Zone};

/// The longest run, seconds.
const LONGEST: i32 = 7 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Root {
    name: String,
    about: String,
    #[serde(default)]
    city: Option<String>,
    #[serde(default)]
    seed: u64,
    start: Spanned<String>,
    duration: Spanned<String>,
    #[serde(default)]
    vehicles: Option<Spanned<usize>>,
    #[serde(default)]
    machines: bool,
    #[serde(default)]
    mishaps: Option<Spanned<f64>>,
    #[serde(default)]
    protocols: Option<Spanned<Keys>>,
    #[serde(default)]
    fault: Vec<Spanned<Keys>>,
    #[serde(default)]
    disturbance: Vec<Spanned<Keys>>,
    #[serde(default)]
    expect: Option<Spanned<Keys>>,
}

/// Reads a scenario; `file` is what it is called in errors.
pub(super) fn read(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let located = |(at, problem): (usize, Problem)| {
        let line = 1 + text.bytes().take(at).filter(|b| *b == b'\n').count();
        ScenarioError::At { file: file.to_owned(), line, problem }
    };
    let root: Root = toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(0, |s| s.start);
        located((at, Problem::Form(e.message().replace('\n', ", "))))
    })?;
    scenario(root).map_err(located)
}

fn scenario(root: Root) -> At<Scenario> {
    let start = start(&root.start)?;
    let seconds = duration(&root.duration)?;
    let run = (start.1, ServiceTime(start.1.0 + seconds));
    let vehicles = match root.vehicles {
        Some(n) if !(1..=100_000).contains(n.get_ref()) => {
            let value = (*n.get_ref() as u64 as f64).into();
            return Err((n.span().start, senseless("vehicles", &value, "from 1 to 100000")));
        }
        Some(n) => Some(n.into_inner()),
        None => None,
    };
    let mishaps = match root.mishaps {
        Some(m) if !(0.0..=100.0).contains(m.get_ref()) => {
            return Err((m.span().start, senseless("mishaps", &(*m.get_ref()).into(), "from 0 to 100")));
        }
        Some(m) => Mishaps(m.into_inner()),
        None => Mishaps::NONE,
    };
    if let Some(one_more) = root.fault.get(Faults::MOST) {
        let problem = Problem::Form(format!("more than {} faults", Faults::MOST));
        return Err((one_more.span().start, problem));
    }
    Ok(Scenario {
        name: root.name,
        about: root.about,
        city: match root.city.as_deref() {
            None | Some("demo") => City::Demo,
            Some(path) => City::Feed(PathBuf::from(path)),
        },
        seed: root.seed,
        start,
        seconds,
        vehicles,
        machines: root.machines,
        split: root.protocols.map_or_else(|| Ok(Split::default()), split)?,
        faults: root.fault.into_iter().map(|keys| fault(keys, run)).collect::<At<_>>()?,
        disturbances: root.disturbance.into_iter().map(|keys| disturbance(keys, start.0, run)).collect::<At<_>>()?,
        mishaps,
        expect: root.expect.map_or_else(|| Ok(Expect::default()), |k| Expect::read(Table::new("`expect`", k)))?,
    })
}

/// `2026-11-24 07:00`, in the city's zone.
fn start(text: &Spanned<String>) -> At<(ServiceDate, ServiceTime)> {
    let wrong = || {
        let value = text.get_ref().clone().into();
        (text.span().start, senseless("start", &value, "a day and a time, YYYY-MM-DD HH:MM"))
    };
    let (date, clock) = text.get_ref().split_once([' ', 'T']).ok_or_else(wrong)?;
    let clock = time(clock).filter(|t| (0..86_400).contains(&t.0)).ok_or_else(wrong)?;
    Ok((date.parse().map_err(|_| wrong())?, clock))
}

/// `HH:MM` or `HH:MM:SS`, in seconds.
fn duration(text: &Spanned<String>) -> At<i32> {
    let seconds = time(text.get_ref()).map(|t| t.0).filter(|s| (60..=LONGEST).contains(s));
    seconds.ok_or_else(|| {
        let value = text.get_ref().clone().into();
        (text.span().start, senseless("duration", &value, "hours and minutes, HH:MM, from a minute to a week"))
    })
}

fn split(keys: Spanned<Keys>) -> At<Split> {
    let mut table = Table::new("`protocols`", keys);
    let at = table.at();
    let mut weights = Vec::new();
    for (name, weight, at) in table.numbers(0.0..=1e6)? {
        let protocol: Protocol = name.parse().map_err(|e| (at, Problem::Form(format!("{e}"))))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
        weights.push((protocol, weight.round() as u32));
    }
    let split = Split::new(weights);
    if split.is_empty() { Err((at, Problem::Form("no protocol has a weight".to_owned()))) } else { Ok(split) }
}

fn fault(keys: Spanned<Keys>, run: (ServiceTime, ServiceTime)) -> At<Timed> {
    let mut table = Table::new("a fault", keys);
    let Some((name, at)) = table.text("kind")? else { return table.missing("kind") };
    table.call(format!("fault `{name}`"));
    let kind = kind(&mut table, &name, at)?;
    // A name is mistyped once and for all.
    let whole_time = matches!(kind, Kind::WrongImei);
    let mut rule = Rule::new(kind);
    rule.who = who(&mut table)?;
    let mut from = None;
    let mut to = None;
    if !whole_time {
        rule.zone = zone(&mut table)?;
        rule.spells = spells(&mut table)?;
        from = table.time("from", run)?;
        to = table.time("to", run)?;
    }
    if let (Some((from, _)), Some((to, at))) = (from, to)
        && to <= from
    {
        return Err((at, senseless("to", &to.to_string().into(), "after `from`")));
    }
    table.end()?;
    Ok(Timed { rule, from: from.map(|f| f.0), to: to.map(|t| t.0) })
}

fn kind(table: &mut Table, name: &str, at: usize) -> At<Kind> {
    let says = |t: &mut Table| Ok(t.one_of("says", &Says::ALL, Says::name)?.map_or(Says::LastPlace, |s| s.0));
    let metres = |t: &mut Table, usual: f64| Ok(t.number("metres", 1.0..=2000.0)?.map_or(usual, |m| m.0));
    Ok(match name {
        "interval" => {
            let seconds = table.needed("seconds", 1.0..=60.0)?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked")]
            let seconds = seconds.round() as u32;
            Kind::Interval { seconds }
        }
        "dead_zone" => {
            let order = table.one_of("order", &Order::ALL, Order::name)?;
            Kind::DeadZone { order: order.map_or(Order::OldestFirst, |o| o.0) }
        }
        "duplicates" => Kind::Duplicates { chance: table.needed("chance", 0.0..=1.0)? },
        "reordering" => Kind::Reordering { chance: table.needed("chance", 0.0..=1.0)? },
        "clock_skew" => Kind::ClockSkew {
            seconds: table.needed("seconds", -1e7..=1e7)?,
            per_hour: table.number("per_hour", -3600.0..=3600.0)?.map_or(0.0, |n| n.0),
        },
        "week_rollover" => Kind::WeekRollover,
        "cold_start" => Kind::ColdStart {
            minutes: table.range("minutes", 0.1..=60.0)?.map_or((1.0, 5.0), |m| m.0),
            says: says(table)?,
        },
        "urban_canyon" => Kind::UrbanCanyon { metres: metres(table, 30.0)? },
        "parked_drift" => Kind::ParkedDrift { metres: metres(table, 40.0)? },
        "frozen" => Kind::Frozen,
        "wrong_imei" => Kind::WrongImei,
        "damage" => Kind::Damage {
            chance: table.needed("chance", 0.0..=1.0)?,
            how: table.one_of("how", &Damage::ALL, Damage::name)?.map_or(Damage::Bits, |h| h.0),
        },
        "jamming" => Kind::Jamming { says: says(table)? },
        "spoofing" => {
            let Some(mut to) = table.table("place")? else { return table.missing("place") };
            let place = (to.needed("lat", -90.0..=90.0)?, to.needed("lon", -180.0..=180.0)?);
            to.end()?;
            Kind::Spoofing { to: place }
        }
        other => return Err((at, Problem::UnknownFault(other.to_owned()))),
    })
}

fn who(table: &mut Table) -> At<Who> {
    let mut who = Who::default();
    if let Some((share, _)) = table.number("share", 0.0..=1.0)? {
        who.share = share;
    }
    if let Some((vehicles, _)) = table.texts("vehicles")? {
        who.vehicles = vehicles.into_iter().map(VehicleId::from).collect::<BTreeSet<_>>();
    }
    if let Some((protocols, at)) = table.texts("protocols")? {
        let all: Result<Vec<Protocol>, _> = protocols.iter().map(|p| p.parse()).collect();
        who.protocols = all.map_err(|e| (at, Problem::Form(format!("{e}"))))?;
    }
    Ok(who)
}

fn zone(table: &mut Table) -> At<Option<Zone>> {
    let Some(mut zone) = table.table("zone")? else { return Ok(None) };
    let read = Zone {
        lat: zone.needed("lat", -90.0..=90.0)?,
        lon: zone.needed("lon", -180.0..=180.0)?,
        radius_m: zone.needed("radius_m", 1.0..=100_000.0)?,
    };
    zone.end()?;
    Ok(Some(read))
}

fn spells(table: &mut Table) -> At<Option<Spells>> {
    let Some(mut spells) = table.table("spells")? else { return Ok(None) };
    let per_hour = spells.needed("per_hour", 0.001..=60.0)?;
    let Some((minutes, _)) = spells.range("minutes", 0.1..=1440.0)? else { return spells.missing("minutes") };
    spells.end()?;
    Ok(Some(Spells { per_hour, minutes }))
}

fn disturbance(keys: Spanned<Keys>, date: ServiceDate, run: (ServiceTime, ServiceTime)) -> At<Disturbance> {
    let table = Table::new("a disturbance", keys);
    let places = ["from", "at", "to", "day"].map(|key| table.place_of(key));
    let at = table.at();
    let read: Disturbance =
        table.whole().try_into().map_err(|e: toml::de::Error| (at, Problem::Disturbance(e.message().to_owned())))?;
    read.check().map_err(|e| (at, Problem::Disturbance(e.to_string())))?;
    let [from, once, to, day] = places;
    if let Some((first, last)) = read.times() {
        within("from", first, run).map_err(|p| (if once == at { from } else { once }, p))?;
        within("to", last, run).map_err(|p| (to, p))?;
    }
    if let Some(other) = read.day()
        && other != date
    {
        return Err((day, senseless("day", &other.to_string().into(), &format!("the day of the run, {date}"))));
    }
    Ok(read)
}
