//! Ukrainian first, English second.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language people read and hear.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Lang {
    /// Ukrainian.
    #[default]
    Uk,
    /// English.
    En,
}

impl Lang {
    /// Every language, the default first.
    pub const ALL: [Self; 2] = [Self::Uk, Self::En];

    /// One of two texts.
    #[must_use]
    pub const fn pick<'a>(self, uk: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Uk => uk,
            Self::En => en,
        }
    }

    /// The one it is switched to.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Uk => Self::En,
            Self::En => Self::Uk,
        }
    }

    /// `uk` or `en`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.pick("uk", "en")
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A language nobody taught us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language we speak: uk or en")]
pub struct LangError(pub String);

impl FromStr for Lang {
    type Err = LangError;
    fn from_str(s: &str) -> Result<Self, LangError> {
        match s {
            "uk" => Ok(Self::Uk),
            "en" => Ok(Self::En),
            _ => Err(LangError(s.to_owned())),
        }
    }
}
