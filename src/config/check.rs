//! A configuration's text against the table of keys: every fault, with line, key, value and what is
//! allowed.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
    let in_use = |section: &str| seen.iter().any(|k| k.rsplit_once('.').is_some_and(|(s, _)| s == section));
    let wanted = |path: &str| {
        path.rsplit_once('.').is_some_and(|(section, name)| {
            keys::NEEDED_IN.iter().any(|(s, names)| *s == section && names.contains(&name)) && in_use(section)
        })
    };
    for key in keys::KEYS.iter() {
        let needed = matches!(key.default, Presence::Needed(_)) || wanted(&key.path);
        if needed && !seen.iter().any(|s| *s == key.path) {
            found.push(Fault {
                line: None,
                key: key.path.clone().into_owned(),
                value: None,
                problem: format!("is missing: {} ({})", key.about, key.kind.allowed()),
            });
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
        let section = SECTIONS.iter().any(|(s, _)| *s == path || s.starts_with(&format!("{path}.")));
        match (value.get_ref(), keys::find(&path)) {
            (DeValue::Table(inner), None) if section => walk(text, inner, &path, found, seen),
            (DeValue::Table(_), None) => {
                let names: Vec<&str> = SECTIONS.iter().map(|(s, _)| s.as_ref()).collect();
                found.push(unknown(line, path, "a section", nearest(&names, name)));
            }
            (_, None) => {
                let names: Vec<&str> = keys::KEYS.iter().map(|k| k.path.as_ref()).collect();
                let near = nearest(&names, &path);
                found.push(unknown(line, path, "a key", near));
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
        Kind::Bool => v.is_bool(),
        Kind::Whole(lo, hi) => whole().is_some_and(|n| (lo..=hi).contains(&n)),
        Kind::Number(lo, hi) => {
            let float = v.as_float().and_then(|f| f.as_str().parse::<f64>().ok());
            let number = float.or_else(|| whole().and_then(|n| n.to_string().parse().ok()));
            number.is_some_and(|n| (lo..=hi).contains(&n))
        }
        Kind::OneOf(these) => v.as_str().is_some_and(|s| these.contains(&s)),
    }
}

/// The name most like another, if any is like it: at most a third of its letters differ.
fn nearest<'a>(names: &[&'a str], to: &str) -> Option<&'a str> {
    names
        .iter()
        .map(|n| (strsim::levenshtein(n, to), *n))
        .min()
        .filter(|(distance, n)| *distance * 3 <= n.len())
        .map(|(_, n)| n)
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).map_or(1, |before| before.matches('\n').count() + 1)
}
