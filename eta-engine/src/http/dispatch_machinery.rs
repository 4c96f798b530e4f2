//! Machines and streets in the dispatcher's picture. Pure.
//!
//! Shares are whole per cent and times whole minutes: finer ones would send the list anew every second
//! and say nothing more.

use transit_model::dispatch::{MachineRow, MachineryState, StreetRow};
use transit_model::time::UnixMs;

use crate::machinery::view::{Machine, View};

/// How many streets are told.
const STREETS: usize = 100;

/// The state at a moment.
#[must_use]
pub fn state(view: &View, now: UnixMs) -> MachineryState {
    let mut streets: Vec<StreetRow> = view
        .streets
        .all()
        .iter()
        .zip(view.now.iter())
        .map(|(s, at)| StreetRow {
            id: s.id.clone(),
            name: s.district.as_ref().map_or_else(|| s.name.clone(), |d| format!("{}, {d}", s.name)),
            length_m: whole(s.length),
            percent: percent(at.share),
            last_passed: at.served.last.map(|t| UnixMs(t.0 - t.0.rem_euclid(60_000))),
            last_kind: at.served.by,
        })
        .collect();
    let in_all = u32::try_from(streets.len()).unwrap_or(u32::MAX);
    streets.sort_by(|a, b| a.last_passed.cmp(&b.last_passed).then_with(|| a.name.cmp(&b.name)));
    streets.truncate(STREETS);
    let lengths = || view.streets.all().iter().zip(view.now.iter());
    let all: f32 = lengths().map(|(s, _)| s.to_serve).sum();
    let passed: f32 = lengths().map(|(s, at)| s.to_serve * at.share).sum();
    MachineryState {
        shift: view.shift,
        machines: view.machines.iter().map(|m| machine(view, m, now)).collect(),
        streets_in_all: in_all,
        percent: percent(passed / all.max(1.0)),
        streets,
    }
}

fn machine(view: &View, m: &Machine, now: UnixMs) -> MachineRow {
    let (doing, since) = m.doing(now);
    let mut stays: Vec<_> = m.stays.iter().collect();
    stays.sort_by_key(|s| std::cmp::Reverse(s.since));
    let zones = stays.into_iter().filter_map(|s| view.zones.all().get(s.zone as usize)).map(|z| z.name.clone());
    MachineRow {
        id: m.id.to_string(),
        kind: m.kind,
        state: doing.name().to_owned(),
        since,
        working: m.working,
        street: m.street.and_then(|n| view.streets.all().get(n as usize)).map(|s| s.name.clone()),
        zones: zones.collect(),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=100")]
fn percent(share: f32) -> u8 {
    (share.clamp(0.0, 1.0) * 100.0).round() as u8
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "metres of a street")]
fn whole(metres: f32) -> u32 {
    metres.max(0.0).round() as u32
}

#[cfg(test)]
mod tests {
    use transit_model::dispatch::MachineKind;

    use super::*;
    use crate::board::fixture::{at, timetable};
    use crate::machinery::fixture;

    #[test]
    fn the_least_recently_passed_stand_first() {
        let t = timetable();
        let now = at(&t, "14:00:30");
        let s = state(&fixture::view(&t, now), now);
        let names: Vec<_> = s.streets.iter().map(|s| (s.name.as_str(), s.percent)).collect();
        assert_eq!(names, [("вул. <b>Лісна</b>", 0), ("пров. Тихий", 0), ("вул. Центральна", 50)]);
        assert_eq!((s.streets_in_all, s.percent), (3, 17));
        assert_eq!(s.streets[2].last_kind, Some(MachineKind::Plough));
        let m = &s.machines[0];
        assert_eq!((m.id.as_str(), m.state.as_str(), m.street.as_deref()), ("B", "moving", Some("вул. Центральна")));
        assert_eq!(m.zones, ["Сквер", "Центр"]);
        assert_eq!(state(&fixture::view(&t, now), now.plus_secs(300)).machines[0].state, "silent");
    }
}
