//! A configuration's text against the table of keys: every fault, with line, key, value and what is
//! allowed.

use std::collections::BTreeSet;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use tracker_ingest::codec::topic::Template;
use tracker_ingest::codec::topic_json::Pointer;
use transit_model::time::Zone;

use super::Config;
use super::keys::{self, Kind, Presence, SECTIONS};

/// Something that is not right in a configuration.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Fault {
    /// The line, from 1; absent where nothing stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The key or section; empty where the text is no TOML.
    pub key: String,
    /// What stands there, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What is wrong, or what is allowed.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.value {
            Some(value) => write!(f, "{} = {value}: {}", self.key, self.problem),
            None if self.key.is_empty() => f.write_str(&self.problem),
            None => write!(f, "{} {}", self.key, self.problem),
        }
    }
}

/// Every fault of a text, in the order of its lines; what is missing comes last.
#[must_use]
pub fn faults(text: &str) -> Vec<Fault> {
    let (table, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        return broken.iter().map(|e| of_serde(text, e)).collect();
    }
    let mut found = Vec::new();
    let mut seen = Vec::new();
    walk(text, table.get_ref(), "", &mut found, &mut seen);
    found.sort_by_key(|f| f.line);
    let needed =
        keys::KEYS.iter().filter(|k| matches!(k.default, Presence::Needed(_))).map(|k| k.path.clone().into_owned());
    let in_use: BTreeSet<&str> = seen.iter().filter_map(|k| k.rsplit_once('.').map(|(section, _)| section)).collect();
    // What a section of the city's own naming must have, each of them must.
    let wanted = in_use.iter().flat_map(|section| {
        let of = keys::NEEDED_IN.iter().filter(|(form, _)| keys::is_of(form, section));
        of.flat_map(|(_, names)| names.iter()).map(move |name| format!("{section}.{name}"))
    });
    for path in needed.chain(wanted) {
        if let Some(key) = keys::find(&path).filter(|_| !seen.contains(&path)) {
            let problem = format!("is missing: {} ({})", key.about, key.kind.allowed());
            found.push(Fault { line: None, key: path, value: None, problem });
        }
    }
    found
}

/// What no single key shows: topics that say nobody's, files that are not there. After the keys are right.
#[must_use]
pub fn together(config: &Config) -> Vec<Fault> {
    let mut found = Vec::new();
    for (broker, b) in &config.ingest.brokers {
        let at = format!("ingest.broker.{broker}");
        let mut fault = |key: String, problem: String| found.push(Fault { line: None, key, value: None, problem });
        for (name, topic) in &b.topics {
            if let Err(e) = topic.check() {
                fault(format!("{at}.topics.{name}"), format!("cannot be taken: {e}"));
            }
        }
        if b.password.is_some() && b.password_file.is_some() {
            fault(format!("{at}.password"), "and password_file are both there; one is enough".to_owned());
        }
        if b.username.is_none() && (b.password.is_some() || b.password_file.is_some()) {
            fault(format!("{at}.username"), "is missing: a password without a user is not sent".to_owned());
        }
        if b.ca.is_some() && !b.tls {
            fault(format!("{at}.ca"), "is of no use without tls = true".to_owned());
        }
    }
    found
}

/// What `serde` or the parser found, with its line.
#[must_use]
pub fn of_serde(text: &str, e: &toml::de::Error) -> Fault {
    let line = e.span().map(|s| line_of(text, s.start));
    Fault { line, key: String::new(), value: None, problem: e.message().to_owned() }
}

fn walk(text: &str, table: &DeTable<'_>, at: &str, found: &mut Vec<Fault>, seen: &mut Vec<String>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let line = Some(line_of(text, key.span().start));
        let section = section_of(&path);
        if let (true, Some(fault)) = (value.get_ref().is_table(), own_name(&path, name, line)) {
            found.push(fault);
            continue;
        }
        match (value.get_ref(), keys::find(&path)) {
            (DeValue::Table(inner), None) if section => walk(text, inner, &path, found, seen),
            (DeValue::Table(_), None) => {
                let names: Vec<String> = SECTIONS.iter().map(|(s, _)| keys::shown(s)).collect();
                let near = nearest(&names, name).map(str::to_owned);
                found.push(unknown(line, path, "a section", near.as_deref()));
            }
            (_, None) => {
                let names: Vec<String> = keys::KEYS.iter().map(|k| like(&k.path, &path)).collect();
                let near = nameless(&path).or_else(|| nearest(&names, &path).map(str::to_owned));
                found.push(unknown(line, path, "a key", near.as_deref()));
            }
            (_, Some(known)) => {
                if !fits(value, known.kind) {
                    let written = text.get(value.span()).unwrap_or("").to_owned();
                    found.push(Fault { line, key: path.clone(), value: Some(written), problem: known.kind.allowed() });
                }
                seen.push(path);
            }
        }
    }
}

/// Whether there is such a section, or one within it.
fn section_of(path: &str) -> bool {
    let depth = path.split('.').count();
    let head = |section: &str| section.split('.').take(depth).collect::<Vec<_>>().join(".");
    SECTIONS.iter().any(|(s, _)| s.split('.').count() >= depth && keys::is_of(&head(s), path))
}

/// What is wrong with a section's name that the city has chosen.
fn own_name(path: &str, name: &str, line: Option<usize>) -> Option<Fault> {
    let above = path.rsplit_once('.').map_or("", |(above, _)| above);
    let chosen =
        SECTIONS.iter().any(|(s, _)| s.rsplit_once('.').is_some_and(|(a, n)| n == keys::ANY && keys::is_of(a, above)));
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let problem = "is not a name: lower-case letters a-z, digits and hyphens".to_owned();
    (chosen && !is_name).then(|| Fault { line, key: path.to_owned(), value: None, problem })
}

/// The key that a path would be if it had the name that has been left out.
fn nameless(path: &str) -> Option<String> {
    let without = |form: &str| form.split('.').filter(|s| *s != keys::ANY).collect::<Vec<_>>().join(".");
    keys::KEYS.iter().find(|k| k.path.contains(keys::ANY) && without(&k.path) == path).map(|k| keys::shown(&k.path))
}

/// A key's form with the names that a path has in the same places.
fn like(form: &str, path: &str) -> String {
    let mut names = path.split('.');
    let mut of = |segment: &str| {
        let name = names.next();
        if segment == keys::ANY { name.unwrap_or("name").to_owned() } else { segment.to_owned() }
    };
    form.split('.').map(&mut of).collect::<Vec<_>>().join(".")
}

fn unknown(line: Option<usize>, key: String, what: &str, near: Option<&str>) -> Fault {
    let hint = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
    Fault { line, key, value: None, problem: format!("is not {what}{hint}") }
}

fn fits(value: &Spanned<DeValue<'_>>, kind: Kind) -> bool {
    let v = value.get_ref();
    let whole = || v.as_integer().and_then(|i| i64::from_str_radix(i.as_str(), i.radix()).ok());
    match kind {
        Kind::Name => v.as_str().is_some_and(|s| {
            !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        }),
        Kind::Text | Kind::Path => v.as_str().is_some_and(|s| !s.is_empty()),
        Kind::Socket => v.as_str().is_some_and(|s| s.parse::<std::net::SocketAddr>().is_ok()),
        Kind::Url => v
            .as_str()
            .and_then(|s| s.parse::<reqwest::Url>().ok())
            .is_some_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host()),
        Kind::Zone => v.as_str().is_some_and(|s| Zone::named(s).is_ok()),
        Kind::Bool => v.is_bool(),
        Kind::Whole(lo, hi) => whole().is_some_and(|n| (lo..=hi).contains(&n)),
        Kind::Number(lo, hi) => {
            let float = v.as_float().and_then(|f| f.as_str().parse::<f64>().ok());
            let number = float.or_else(|| whole().and_then(|n| n.to_string().parse().ok()));
            number.is_some_and(|n| (lo..=hi).contains(&n))
        }
        Kind::Topic => v.as_str().is_some_and(|s| s.parse::<Template>().is_ok()),
        Kind::Pointer => v.as_str().is_some_and(is_pointer),
        Kind::PointerOr(word) => v.as_str().is_some_and(|s| s == word || is_pointer(s)),
        Kind::Texts => v.as_array().is_some_and(|all| {
            !all.is_empty() && all.iter().all(|one| one.get_ref().as_str().is_some_and(|s| !s.is_empty()))
        }),
        Kind::OneOf(these) => v.as_str().is_some_and(|s| these.contains(&s)),
    }
}

fn is_pointer(text: &str) -> bool {
    Pointer::try_from(text.to_owned()).is_ok()
}

/// The name most like another, if any is like it: at most a third of its letters differ.
fn nearest<'a>(names: &'a [String], to: &str) -> Option<&'a str> {
    names
        .iter()
        .map(|n| (strsim::levenshtein(n, to), n.as_str()))
        .min()
        .filter(|(distance, n)| *distance * 3 <= n.len())
        .map(|(_, n)| n)
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
}
