//! Topics of MQTT with names for their levels: `city/{depot}/bus/{vehicle}/position`.
//!
//! A template says both what to subscribe to and what the levels of a topic that comes mean:
//!
//! | level | matches | means |
//! |---|---|---|
//! | `text` | itself | |
//! | `+` | any one level | |
//! | `{vehicle}` or `{device}` | any one level | which device; a name that stands twice is joined with `:` |
//! | `{route_id}`, `{trip_id}`, `{direction_id}`, `{start_date}`, `{start_time}`, `{sign}`, `{operator}`, `{run}` | any one level | the trip reported |
//! | `{feed}` | our feed's name | |
//! | `{anything}` | any one level | an attribute of that name |
//! | `#`, last only | the rest, or nothing | |
//!
//! An empty level is allowed and says nothing (HSL has them). Not here: payloads.

use std::fmt;
use std::str::FromStr;

use transit_model::fix::Reported;

use super::{AttrKey, AttrValue, Record};

/// The most levels a template has.
const MAX_LEVELS: usize = 64;

/// A topic with names for its levels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Template {
    levels: Vec<Level>,
    /// Whether it ends in `#`.
    open: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Level {
    Is(Box<str>),
    Any,
    Named(Box<str>),
}

/// A text is no template.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is empty, or has more levels than anybody needs.
    #[error("a topic has 1 to {MAX_LEVELS} levels, not {0}")]
    Levels(usize),
    /// `#` stands before the end.
    #[error("`#` may only be the last level")]
    OpenBeforeEnd,
    /// A level that is neither text nor a name.
    #[error("level `{0}` is neither text, nor `+`, nor a name of letters, digits, `_` or `-` in braces")]
    Level(String),
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts: Vec<&str> = text.split('/').collect();
        if text.is_empty() || parts.len() > MAX_LEVELS {
            return Err(TemplateError::Levels(if text.is_empty() { 0 } else { parts.len() }));
        }
        let open = parts.last() == Some(&"#");
        if open {
            parts.pop();
        }
        let levels = parts.into_iter().map(level).collect::<Result<_, _>>()?;
        Ok(Self { levels, open })
    }
}

fn level(text: &str) -> Result<Level, TemplateError> {
    let refuse = || TemplateError::Level(text.chars().take(40).collect());
    match text {
        "+" => return Ok(Level::Any),
        "#" => return Err(TemplateError::OpenBeforeEnd),
        _ => {}
    }
    if let Some(name) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        return if is_name { Ok(Level::Named(name.into())) } else { Err(refuse()) };
    }
    if text.contains(['{', '}', '+', '#', '\0']) { Err(refuse()) } else { Ok(Level::Is(text.into())) }
}

impl fmt::Display for Template {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |l: &Level| match l {
            Level::Is(text) => text.to_string(),
            Level::Any => "+".to_owned(),
            Level::Named(name) => format!("{{{name}}}"),
        };
        f.write_str(&self.joined(text))
    }
}

impl Template {
    /// The same where every level of this name is a text: `{feed}` is our feed.
    #[must_use]
    pub fn with(mut self, name: &str, text: &str) -> Self {
        for level in &mut self.levels {
            if matches!(level, Level::Named(n) if **n == *name) {
                *level = Level::Is(text.into());
            }
        }
        self
    }

    /// What to subscribe to.
    #[must_use]
    pub fn filter(&self) -> String {
        self.joined(|l| match l {
            Level::Is(text) => text.to_string(),
            Level::Any | Level::Named(_) => "+".to_owned(),
        })
    }

    fn joined(&self, text: impl Fn(&Level) -> String) -> String {
        let open = self.open.then(|| "#".to_owned());
        self.levels.iter().map(text).chain(open).collect::<Vec<_>>().join("/")
    }

    /// Whether a level says which device a message is of.
    #[must_use]
    pub fn names_device(&self) -> bool {
        self.levels.iter().any(|l| matches!(l, Level::Named(n) if is_device(n)))
    }

    /// What the levels of a topic are; `None` when it is another topic.
    #[must_use]
    pub fn read<'t>(&'t self, topic: &'t str) -> Option<Levels<'t>> {
        // Wildcards do not match what a broker says of itself (MQTT 3.1.1, 4.7.2).
        if topic.starts_with('$') && !matches!(self.levels.first(), Some(Level::Is(_))) {
            return None;
        }
        let mut parts = topic.split('/');
        let mut named = Vec::new();
        for level in &self.levels {
            let part = parts.next()?;
            match level {
                Level::Is(text) if **text != *part => return None,
                Level::Named(name) if !part.is_empty() => named.push((&**name, part)),
                _ => {}
            }
        }
        (self.open || parts.next().is_none()).then_some(Levels(named))
    }
}

fn is_device(name: &str) -> bool {
    matches!(name, "vehicle" | "device")
}

/// The levels of one topic that have a name, in order; empty ones are not among them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Levels<'t>(Vec<(&'t str, &'t str)>);

impl Levels<'_> {
    /// What the device is called.
    #[must_use]
    pub fn device(&self) -> Option<String> {
        let parts: Vec<&str> = self.0.iter().filter(|(name, _)| is_device(name)).map(|(_, text)| *text).collect();
        (!parts.is_empty()).then(|| parts.join(":"))
    }

    /// Puts into a record what the topic says and the payload does not. A date, time or direction that is none says
    /// nothing.
    pub fn complete(&self, record: &mut Record) {
        for (name, text) in &self.0 {
            let r: &mut Reported = &mut record.reported;
            match *name {
                "route_id" => fill(&mut r.route_id, || Some((*text).into())),
                "trip_id" => fill(&mut r.trip_id, || Some((*text).into())),
                "sign" => fill(&mut r.sign, || Reported::word(text)),
                "operator" => fill(&mut r.operator, || Reported::word(text)),
                "run" => fill(&mut r.run, || Reported::word(text)),
                "start_date" => fill(&mut r.start_date, || text.parse().ok()),
                "start_time" => fill(&mut r.start_time, || start_time(text)),
                "direction_id" => fill(&mut r.direction, || text.parse().ok().filter(|d| *d < 2)),
                name if is_device(name) => {}
                name => record.attributes.push((AttrKey::Own(name.into()), AttrValue::Text((*text).into()))),
            }
        }
    }
}

fn fill<T>(place: &mut Option<T>, with: impl FnOnce() -> Option<T>) {
    if place.is_none() {
        *place = with();
    }
}

/// `HH:MM` or `HH:MM:SS`.
pub(super) fn start_time(text: &str) -> Option<transit_model::time::ServiceTime> {
    text.parse().or_else(|_| format!("{text}:00").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use transit_model::time::ServiceTime;

    fn template(text: &str) -> Template {
        text.parse().unwrap()
    }

    #[test]
    fn a_template_is_a_filter_and_names_what_it_matches() {
        let t = template("city/{depot}/bus/{vehicle}/position");
        assert_eq!(
            (t.filter().as_str(), t.to_string().as_str()),
            ("city/+/bus/+/position", "city/{depot}/bus/{vehicle}/position")
        );
        let levels = t.read("city/north/bus/817/position").unwrap();
        assert_eq!(levels.device().as_deref(), Some("817"));
        let mut record = Record::default();
        levels.complete(&mut record);
        assert_eq!(record.attributes, [(AttrKey::Own("depot".into()), AttrValue::Text("north".into()))]);
        for other in ["city/north/tram/817/position", "city/north/bus/817", "city/north/bus/817/position/x", ""] {
            assert_eq!(t.read(other), None, "{other}");
        }
    }

    #[test]
    fn a_device_named_by_two_levels_is_both() {
        let t = template("owntracks/{vehicle}/{vehicle}/#");
        assert!(t.names_device());
        for topic in ["owntracks/anna/phone", "owntracks/anna/phone/event"] {
            assert_eq!(t.read(topic).unwrap().device().as_deref(), Some("anna:phone"), "{topic}");
        }
        assert_eq!(template("a/+/{route_id}").read("a/x/7").unwrap().device(), None);
    }

    #[test]
    fn empty_levels_match_and_say_nothing() {
        let t = template("/hfp/v2/+/{route_id}/{direction_id}/{start_time}/#");
        let mut record = Record::default();
        t.read("/hfp/v2/bus//7/").unwrap().complete(&mut record);
        assert!(record.reported.is_empty() && record.attributes.is_empty());
        t.read("/hfp/v2/bus/550/1/05:49/x/y").unwrap().complete(&mut record);
        let r = &record.reported;
        assert_eq!(
            (r.route_id.as_deref(), r.direction, r.start_time),
            (Some("550"), Some(1), Some(ServiceTime(5 * 3600 + 49 * 60)))
        );
    }

    #[test]
    fn what_the_payload_said_stands() {
        let mut record = Record::default();
        record.reported.route_id = Some("1".into());
        template("{route_id}").read("2").unwrap().complete(&mut record);
        assert_eq!(record.reported.route_id.as_deref(), Some("1"));
    }

    #[test]
    fn a_name_can_be_settled_beforehand() {
        let t = template("zupynka/v1/{feed}/track/{device}").with("feed", "test");
        assert_eq!(t.filter(), "zupynka/v1/test/track/+");
        assert!(t.read("zupynka/v1/test/track/a").is_some() && t.read("zupynka/v1/other/track/a").is_none());
    }

    #[test]
    fn a_broker_s_own_topics_are_not_meant() {
        assert!(template("#").read("$SYS/uptime").is_none() && template("+/x").read("$SYS/x").is_none());
        assert!(template("#").read("a/b").is_some() && template("$SYS/#").read("$SYS/x").is_some());
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (text, why) in [
            ("", "1 to 64 levels, not 0"),
            ("a/#/b", "last level"),
            ("a/b#", "level `b#`"),
            ("a/{}", "level `{}`"),
            ("a/x{y}", "level `x{y}`"),
            ("a/{y z}", "level `{y z}`"),
            (&"/".repeat(64), "not 65"),
        ] {
            let e = text.parse::<Template>().unwrap_err().to_string();
            assert!(e.contains(why), "{text}: {e}");
        }
    }
}
