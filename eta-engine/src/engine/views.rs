//! What readers see of each vehicle: made anew for those that changed since the last world, shared with it
//! for all others.

use std::sync::Arc;

use transit_model::time::UnixMs;
use transit_model::timetable::Timetable;

use super::vehicle::VehicleState;
use crate::world::{Stretches, Vehicle, World};

/// A vehicle unseen this long leaves the world, seconds.
const GONE_AFTER: i64 = 6 * 3600;

/// One vehicle as the last world had it.
#[derive(Clone, Debug)]
struct View {
    /// The time of its last fix.
    at: UnixMs,
    vehicle: Arc<Vehicle>,
    stretches: Stretches,
}

/// The vehicles as the last world had them.
#[derive(Debug, Default)]
pub(super) struct Views {
    /// By place in the engine.
    made: Vec<Option<View>>,
    /// Changed since, and which ones.
    stale: Vec<bool>,
    changed: Vec<usize>,
    /// Places in the engine by the vehicles' names.
    order: Vec<usize>,
}

impl Views {
    /// A vehicle is no longer what the last world says.
    pub(super) fn touch(&mut self, i: usize) {
        if i >= self.stale.len() {
            self.stale.resize(i + 1, false);
            self.made.resize(i + 1, None);
        }
        if let Some(stale) = self.stale.get_mut(i).filter(|s| !**s) {
            *stale = true;
            self.changed.push(i);
        }
    }

    /// Makes anew what has changed.
    pub(super) fn refresh(&mut self, vehicles: &[VehicleState], t: &Timetable) {
        for i in self.changed.drain(..) {
            if let (Some(v), Some(made), Some(stale)) = (vehicles.get(i), self.made.get_mut(i), self.stale.get_mut(i)) {
                *stale = false;
                *made = v.view(t).map(|view| View {
                    at: view.fix_time,
                    stretches: Stretches::of(&view, t),
                    vehicle: Arc::new(view),
                });
            }
        }
        if self.order.len() < vehicles.len() {
            self.order.extend(self.order.len()..vehicles.len());
            let name = |i: &usize| vehicles.get(*i).map(|v| &v.id);
            self.order.sort_by(|a, b| name(a).cmp(&name(b)));
        }
    }

    /// A world with the vehicles that were seen of late.
    pub(super) fn world(&self, t: &Arc<Timetable>, now: UnixMs) -> World {
        let made = self.order.iter().filter_map(|i| self.made.get(*i)?.as_ref());
        let seen = made.filter(|v| now.secs_since(v.at) < GONE_AFTER);
        let vehicles = seen.clone().map(|v| Arc::clone(&v.vehicle)).collect();
        World::empty(Arc::clone(t), now).with_indexed(vehicles, seen.map(|v| &v.stretches))
    }
}
