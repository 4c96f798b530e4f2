//! What a board says of itself as a whole: why it has no rows, and whether its vehicles are heard.
//! Rules are numbered in `docs/board-rules.md`.

use transit_model::board::{BoardState, Label, LabelKind};
use transit_model::dispatch::VehicleKind;
use transit_model::ids::StopIdx;
use transit_model::lang::Lang;
use transit_model::time::{ServiceDate, UnixMs};

use super::labels::{MARKED_MS, SLACK_MS, STALE_MS, Said};
use super::rows::Departure;
use super::words::{self, Phrase};
use crate::world::World;

const DAY_MS: i64 = 86_400_000;
/// How many days ahead the next service is looked for.
const NEXT_SERVICE_DAYS: i64 = 8;
/// At most so many routes with a silent vehicle are named.
const NAMED_SILENT: usize = 3;

/// Rule 11: why there is nothing to show, in different words for different reasons.
#[must_use]
pub fn emptiness(world: &World, stops: &[StopIdx], now: UnixMs, lang: Lang) -> (BoardState, Phrase) {
    let zone = &world.timetable.zone;
    let recent = service_dates(world, stops, UnixMs(now.0.saturating_sub(DAY_MS)), now);
    let next = next_departure(world, stops, now);
    let said = next.map(|(_, at)| words::moment(at, now, zone, lang));
    let last = recent.last().map(|(date, _)| *date);
    let today = zone.date(now);
    let is_today = |d: &(ServiceDate, UnixMs)| d.0 == today;
    let same_day_goes_on = matches!((last, next), (Some(last), Some((date, _))) if last == date);
    if !recent.iter().any(is_today) && !next.as_ref().is_some_and(is_today) && !same_day_goes_on {
        (BoardState::NoServiceToday, words::no_service_today(said, lang))
    } else if same_day_goes_on || last.is_none() {
        (BoardState::NothingSoon, words::nothing_soon(said, lang))
    } else {
        (BoardState::ServiceEnded, words::service_ended(said, lang))
    }
}

/// The timetable's departures in a day or less, as service day and moment, in order.
fn service_dates(world: &World, stops: &[StopIdx], from: UnixMs, to: UnixMs) -> Vec<(ServiceDate, UnixMs)> {
    let calls = stops.iter().flat_map(|s| world.scheduled_at(*s, from, to));
    let mut found: Vec<_> =
        calls.filter(|c| !world.progress_of(c.on).cancelled).map(|c| (c.on.date, c.departure)).collect();
    found.sort_unstable_by_key(|(_, at)| *at);
    found
}

fn next_departure(world: &World, stops: &[StopIdx], now: UnixMs) -> Option<(ServiceDate, UnixMs)> {
    // The moment after `now`: a departure of this very moment is on its way out.
    let day = |n: i64| UnixMs(now.0.saturating_add(n * DAY_MS + 1));
    (0..NEXT_SERVICE_DAYS).find_map(|n| service_dates(world, stops, day(n), day(n + 1)).into_iter().next())
}

/// The notice of a board with rows, in advance: which vehicles fall silent when, and what to say
/// once the last row is gone. `till` is when the board expires anyway.
#[must_use]
pub fn notice(
    world: &World,
    rows: &[Departure<'_>],
    stops: &[StopIdx],
    lang: Lang,
    now: UnixMs,
    till: UnixMs,
) -> Vec<Label> {
    let all_gone = rows.iter().map(|d| d.call.gone_from(now)).max().unwrap_or(now);
    let calculated = |d: &Departure<'_>| calculated_in(d).map_or([UnixMs(i64::MAX); 2], |(from, until)| [from, until]);
    let points = |d| [silent_from(d), d.call.gone_from(now)].into_iter().chain(calculated(d));
    let mut points: Vec<UnixMs> = rows.iter().flat_map(points).collect();
    points.retain(|p| *p > now && *p < till);
    points.sort_unstable();
    points.dedup();
    let mut labels = Vec::new();
    let mut said = Phrase::default();
    let first = UnixMs(now.0.saturating_sub(SLACK_MS));
    for (from, at) in std::iter::once((first, now)).chain(points.into_iter().map(|p| (p, p))) {
        let phrase = if at >= all_gone { emptiness(world, stops, at, lang).1 } else { silence(world, rows, lang, at) };
        if phrase != said {
            labels.push(words_label(from, &phrase));
            said = phrase;
        }
    }
    labels
}

/// A label of words.
#[must_use]
pub fn words_label(from: UnixMs, phrase: &Phrase) -> Label {
    Label { from, kind: LabelKind::Words, text: phrase.text.clone(), speech: phrase.speech.clone() }
}

fn silent_from(d: &Departure<'_>) -> UnixMs {
    d.call.live.map_or(UnixMs(i64::MAX), |l| UnixMs(l.fix_time.0.saturating_add(STALE_MS + 1)))
}

/// When a row may begin and cease to say what is calculated.
fn calculated_in(d: &Departure<'_>) -> Option<(UnixMs, UnixMs)> {
    let live = d.call.live?;
    let till = live.calculated?.until;
    Some((UnixMs(live.fix_time.0.saturating_add(MARKED_MS + 1)), UnixMs(till.0.saturating_add(1))))
}

/// Rule 3, "since when": what the board says of vehicles it no longer hears. Empty while it hears all.
fn silence(world: &World, rows: &[Departure<'_>], lang: Lang, at: UnixMs) -> Phrase {
    let zone = &world.timetable.zone;
    let shown = rows.iter().filter(|d| d.call.said_at(at) != Said::Gone);
    let shown: Vec<_> = shown.collect();
    // Rule 16: who has been told to keep silent is not silent.
    let withheld = |d: &&&Departure<'_>| world.withheld.covers(&world.timetable, d.on, d.stop);
    let kept: Vec<_> = shown.iter().filter(withheld).collect();
    if !kept.is_empty() {
        let mut routes: Vec<&str> = Vec::new();
        for d in kept.iter().filter(|_| kept.len() < shown.len()) {
            let route = &*world.timetable.route_of(d.on.trip).short_name;
            if !routes.contains(&route) {
                routes.push(route);
            }
        }
        return words::restricted(&routes, lang);
    }
    let followed: Vec<_> = shown.into_iter().filter(|d| d.call.live.is_some()).collect();
    // Rule 15: what the mark beside a clock time means, and since when.
    let estimated = |d: &&&Departure<'_>| matches!(d.call.said_at(at), Said::Estimated(_));
    if let Some(since) = followed.iter().filter(estimated).filter_map(|d| d.call.live.map(|l| l.fix_time)).min() {
        return words::calculated_since(&words::moment(since, at, zone, lang), lang);
    }
    let silent: Vec<_> = followed.iter().filter(|d| silent_from(d) <= at).collect();
    let last_fix = |d: &Departure<'_>| d.call.live.map_or(at, |l| l.fix_time);
    if followed.is_empty() {
        return fleet_silence(world, lang, at);
    }
    if silent.len() == followed.len() {
        let since = silent.iter().map(|d| last_fix(d)).max().unwrap_or(at);
        return words::no_live_since(&words::moment(since, at, zone, lang), lang);
    }
    let mut named: Vec<(&str, Phrase)> = Vec::new();
    for d in silent {
        let route = &*world.timetable.route_of(d.on.trip).short_name;
        if named.len() < NAMED_SILENT && !named.iter().any(|(r, _)| *r == route) {
            named.push((route, words::moment(last_fix(d), at, zone, lang)));
        }
    }
    if named.is_empty() { Phrase::default() } else { words::some_silent(&named, lang) }
}

/// The same for a board none of whose rows is followed: it matters only when nobody is heard at all.
fn fleet_silence(world: &World, lang: Lang, at: UnixMs) -> Phrase {
    let transit = world.vehicles.iter().chain(world.unplaced.iter()).filter(|v| v.kind == VehicleKind::Transit);
    match transit.map(|v| v.fix_time.min(world.now)).max() {
        None => words::never_live(lang),
        // What is not heard of later cannot be foreseen here: the fleet is heard until it is not.
        Some(last) if world.now.0.saturating_sub(last.0) > STALE_MS => {
            words::no_live_since(&words::moment(last, at, &world.timetable.zone, lang), lang)
        }
        Some(_) => Phrase::default(),
    }
}
