//! Query parameters, read strictly: a name nobody knows and a value that is not allowed are both
//! said to be so, by name.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use transit_model::lang::Lang;

use super::problem::Problem;

/// The query of a request.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::bad_value("query", &query, "name=value&name=value"))?;
        Ok(Self(pairs.0))
    }
}

impl Params {
    /// Checks that nothing else was asked.
    ///
    /// # Errors
    /// Names the parameter that is not among these.
    pub fn only(self, known: &[&str]) -> Result<Self, Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::unknown_parameter(name, known)),
            None => Ok(self),
        }
    }

    /// The value of a parameter; an empty one is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.trim()).filter(|v| !v.is_empty())
    }

    /// A parameter read by `read`, or `None` where it is absent.
    ///
    /// # Errors
    /// When `read` gives nothing for the value; `allowed` says what would be right.
    pub fn read<T>(
        &self,
        name: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| Problem::bad_value(name, value, allowed))
    }

    /// `lang`: Ukrainian unless asked otherwise.
    ///
    /// # Errors
    /// For any other language.
    pub fn lang(&self) -> Result<Lang, Problem> {
        Ok(self.read("lang", "uk, en", |v| v.parse().ok())?.unwrap_or_default())
    }

    /// `limit` and `after` of a list: how many, and how many to pass over.
    ///
    /// # Errors
    /// For a limit outside 1..=`most` or a cursor this server did not give.
    pub fn page(&self, most: usize, usual: usize) -> Result<Page, Problem> {
        let allowed = format!("a whole number, 1 to {most}");
        let in_range = |v: &str| v.parse().ok().filter(|n| (1..=most).contains(n));
        let limit = self.read("limit", &allowed, in_range)?.unwrap_or(usual);
        let skip = self.read("after", "the `next` of the page before", |v| v.parse().ok())?.unwrap_or(0);
        Ok(Page { skip, limit })
    }
}

/// Which part of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// How many to pass over.
    pub skip: usize,
    /// How many to give at most.
    pub limit: usize,
}

impl Page {
    /// The items of this page, and the cursor of the next where there is one.
    #[must_use]
    pub fn of<T>(self, all: Vec<T>) -> (Vec<T>, Option<String>) {
        let end = self.skip.saturating_add(self.limit);
        let next = (end < all.len()).then(|| end.to_string());
        (all.into_iter().skip(self.skip).take(self.limit).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let all: Vec<_> = (0..7).collect();
        let (a, next) = Page { skip: 0, limit: 3 }.of(all.clone());
        assert_eq!((a, next.as_deref()), (vec![0, 1, 2], Some("3")));
        let (c, next) = Page { skip: 6, limit: 3 }.of(all.clone());
        assert_eq!((c, next), (vec![6], None));
        assert_eq!(Page { skip: 4, limit: 3 }.of(all.clone()).1, None, "the last page is full and has no next");
        assert_eq!(Page { skip: usize::MAX, limit: 3 }.of(all), (vec![], None));
    }
}
