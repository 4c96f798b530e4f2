//! A measure: what of the live data the public does not get, where, until when, by whom and why. Plain data and
//! its rules; the store keeps measures, [`super::view`] carries them out.

use serde::{Deserialize, Serialize};
use transit_model::dispatch::Concern;
use transit_model::time::{UnixMs, Zone as TimeZone};
use transit_model::timetable::Timetable;

use super::zone::{Zone, ZoneError};
use crate::auth::Role;

/// The longest reason, characters.
pub const LONGEST_REASON: usize = 200;
/// The longest delay that can be asked for, minutes; a deployment may keep less.
pub const LONGEST_DELAY: u32 = 120;

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The public sees where vehicles were so many minutes ago.
    DelayPublic {
        /// 1 to [`LONGEST_DELAY`].
        minutes: u32,
    },
    /// The public does not see where vehicles are.
    StopPublic,
}

/// Of what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// Where vehicles are. Boards go on: a stop's board tells when, not where.
    #[default]
    Positions,
    /// That and when they come: boards show the timetable, and say why.
    PositionsAndPredictions,
}

/// Where.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scope {
    /// Every vehicle of the feed, machines too.
    Feed,
    /// Vehicles on trips of a route.
    Route {
        /// `route_id`.
        route_id: String,
    },
    /// Vehicles in an area, and what is predicted for its stops.
    Zone {
        /// The area.
        area: Zone,
    },
}

/// How a measure was ended before its time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: UnixMs,
    /// By whom: the name of the token.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A measure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measure {
    /// The store's number; 0 for what the configuration says.
    pub id: i64,
    /// What is done.
    #[serde(flatten)]
    pub kind: Kind,
    /// Of what.
    pub covers: Covers,
    /// Where.
    pub scope: Scope,
    /// From when.
    pub from: UnixMs,
    /// Until when; without it, until it is ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMs>,
    /// Why.
    pub reason: String,
    /// By whom: the name of the token.
    pub by: String,
    /// What that token may do.
    pub role: Role,
    /// When it was taken.
    pub made: UnixMs,
    /// How it was ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// What somebody asks for.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// `delay_public` or `stop_public`.
    pub kind: String,
    /// Of `delay_public`.
    #[serde(default)]
    pub minutes: Option<u32>,
    /// Of what.
    #[serde(default)]
    pub covers: Covers,
    /// Where.
    pub scope: Scope,
    /// From when, unix milliseconds; now unless told.
    #[serde(default)]
    pub from: Option<UnixMs>,
    /// Until when, unix milliseconds.
    #[serde(default)]
    pub until: Option<UnixMs>,
    /// Or for so many minutes by the server's clock.
    #[serde(default)]
    pub lasts_minutes: Option<u32>,
    /// Why.
    pub reason: String,
}

/// A measure that cannot be taken.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum MeasureError {
    /// No such kind.
    #[error("`{0}` is not a kind of measure: delay_public or stop_public")]
    Kind(String),
    /// Not so many minutes.
    #[error("a delay of {asked} minutes: 1 to {most} is allowed here")]
    Minutes {
        /// What was asked.
        asked: String,
        /// What is kept here.
        most: u32,
    },
    /// Minutes of what is not delayed.
    #[error("stop_public has no minutes")]
    NoMinutes,
    /// No such route.
    #[error("there is no route `{0}`")]
    Route(String),
    /// Not an area.
    #[error("the zone is none: {0}")]
    Zone(#[from] ZoneError),
    /// Over before it begins.
    #[error("it would be over before it begins: `until` must be after `from` and after now")]
    Until,
    /// Nobody would know why.
    #[error("a reason is needed, of 1 to {LONGEST_REASON} characters")]
    Reason,
}

impl MeasureError {
    /// The field at fault.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Kind(_) => "kind",
            Self::Minutes { .. } | Self::NoMinutes => "minutes",
            Self::Route(_) => "scope.route_id",
            Self::Zone(_) => "scope.area",
            Self::Until => "until",
            Self::Reason => "reason",
        }
    }
}

/// A reason, without what would break a line; nothing where there is none.
#[must_use]
pub fn reason(text: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    (!text.is_empty() && text.chars().count() <= LONGEST_REASON).then(|| text.to_owned())
}

impl Asked {
    /// The measure that is asked for, without a number. `longest`: the longest delay kept here, minutes.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn checked(
        self,
        t: &Timetable,
        longest: u32,
        (by, role): (&str, Role),
        now: UnixMs,
    ) -> Result<Measure, MeasureError> {
        let kind = match (self.kind.as_str(), self.minutes) {
            ("stop_public", None) => Kind::StopPublic,
            ("stop_public", Some(_)) => return Err(MeasureError::NoMinutes),
            ("delay_public", Some(minutes)) if (1..=longest).contains(&minutes) => Kind::DelayPublic { minutes },
            ("delay_public", asked) => {
                let asked = asked.map_or_else(|| "no".to_owned(), |m| m.to_string());
                return Err(MeasureError::Minutes { asked, most: longest });
            }
            _ => return Err(MeasureError::Kind(self.kind.clone())),
        };
        match &self.scope {
            Scope::Feed => {}
            Scope::Route { route_id } if t.route_by_id(route_id).is_some() => {}
            Scope::Route { route_id } => return Err(MeasureError::Route(route_id.clone())),
            Scope::Zone { area } => area.check()?,
        }
        let from = self.from.unwrap_or(now);
        let lasts = self.lasts_minutes.map(|m| from.plus_secs(60 * i64::from(m)));
        let until = self.until.or(lasts);
        if until.is_some_and(|until| until <= from || until <= now) {
            return Err(MeasureError::Until);
        }
        let reason = reason(&self.reason).ok_or(MeasureError::Reason)?;
        Ok(Measure {
            id: 0,
            kind,
            covers: self.covers,
            scope: self.scope,
            from,
            until,
            reason,
            by: by.to_owned(),
            role,
            made: now,
            ended: None,
        })
    }
}

impl Measure {
    /// Whether it holds at a moment.
    #[must_use]
    pub fn holds(&self, now: UnixMs) -> bool {
        self.from <= now && !self.is_over(now)
    }

    /// Whether it will not hold again.
    #[must_use]
    pub fn is_over(&self, now: UnixMs) -> bool {
        self.ended.is_some() || self.until.is_some_and(|until| until <= now)
    }

    /// What the dispatcher sees of it.
    #[must_use]
    pub fn concern(&self, t: &Timetable) -> Concern {
        let (what_uk, what_en) = match self.covers {
            Covers::Positions => ("місця машин", "positions"),
            Covers::PositionsAndPredictions => ("місця машин і прогнози", "positions and predictions"),
        };
        let (how_uk, how_en) = match self.kind {
            Kind::StopPublic => ("не публікуються".to_owned(), "are not public".to_owned()),
            Kind::DelayPublic { minutes } => {
                (format!("публікуються через {minutes} хв"), format!("are public after {minutes} min"))
            }
        };
        let route = match &self.scope {
            Scope::Route { route_id } => t.route_by_id(route_id).map(|r| &*t.routes.at(r).short_name),
            _ => None,
        };
        let (where_uk, where_en) = match (&self.scope, route) {
            (Scope::Feed, _) => ("увесь рух".to_owned(), "the whole feed".to_owned()),
            (Scope::Zone { .. }, _) => ("зона".to_owned(), "a zone".to_owned()),
            (Scope::Route { route_id }, name) => {
                let name = name.unwrap_or(route_id);
                (format!("маршрут {name}"), format!("route {name}"))
            }
        };
        let (until_uk, until_en) = self.until.map_or_else(
            || ("до скасування".to_owned(), "until ended".to_owned()),
            |until| (format!("до {}", clock(until, &t.zone)), format!("until {}", clock(until, &t.zone))),
        );
        let route_id = match &self.scope {
            Scope::Route { route_id } => Some(route_id.clone()),
            _ => None,
        };
        Concern {
            key: format!("measure:{}", self.id),
            level: 2,
            kind: "public_restricted".to_owned(),
            text_uk: format!("№ {}: {what_uk} {how_uk}: {where_uk}, {until_uk}. {}: {}", self.id, self.by, self.reason),
            text_en: format!(
                "No. {}: {what_en} {how_en}: {where_en}, {until_en}. {}: {}",
                self.id, self.by, self.reason
            ),
            vehicle_id: None,
            route_id,
            since: self.from,
        }
    }
}

fn clock(at: UnixMs, zone: &TimeZone) -> String {
    zone.zoned(at).strftime("%d.%m %H:%M").to_string()
}
