//! Who may do what: bearer tokens with a role, hashed at rest, compared in constant time, expiring,
//! revocable. Pure: chance and time are handed in, rows are loaded and kept by the store.
//!
//! A token is 256 bits of chance, so one round of SHA-256 is hash enough: there is nothing to guess.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use transit_model::time::UnixMs;

/// What a token's holder may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends positions.
    Tracker,
    /// A board: reads, and says how it is.
    Display,
    /// An e-ticket validator: asks for trips, sends taps.
    Validator,
    /// Watches and steers traffic.
    Dispatcher,
    /// Everything, and gives out tokens.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Tracker, Self::Display, Self::Validator, Self::Dispatcher, Self::Admin];

    /// As written in the store and on the command line: `dispatcher`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracker => "tracker",
            Self::Display => "display",
            Self::Validator => "validator",
            Self::Dispatcher => "dispatcher",
            Self::Admin => "admin",
        }
    }

    /// Whether a holder of this role may do what `needed` may: the same role, or admin.
    #[must_use]
    pub fn may_act_as(self, needed: Self) -> bool {
        self == needed || self == Self::Admin
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A role nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role: tracker, display, validator, dispatcher or admin")]
pub struct RoleError(pub String);

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(s: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|r| r.name() == s).ok_or_else(|| RoleError(s.to_owned()))
    }
}

/// SHA-256 of a token's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// As 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// From 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (i, b) in bytes.iter_mut().enumerate() {
            *b = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A token as the store keeps it: never its text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRow {
    /// Of its text.
    pub hash: TokenHash,
    /// What its holder may do.
    pub role: Role,
    /// Who or what holds it, for people.
    pub name: String,
    /// From this moment it is void; `None` = never by itself.
    pub expires: Option<UnixMs>,
    /// It was taken back.
    pub revoked: bool,
}

/// Makes a token: its text, shown once and never kept, and the row to keep.
#[must_use]
pub fn issue(entropy: [u8; 32], role: Role, name: &str, expires: Option<UnixMs>) -> (String, TokenRow) {
    // The prefix lets secret scanners and people recognise a leaked one.
    let text = format!("zup_{}", hex(&entropy));
    let row = TokenRow { hash: TokenHash::of(&text), role, name: name.to_owned(), expires, revoked: false };
    (text, row)
}

/// Every token of a deployment.
#[derive(Clone, Debug, Default)]
pub struct TokenBook {
    rows: Vec<TokenRow>,
}

impl TokenBook {
    /// From the store's rows.
    #[must_use]
    pub fn new(rows: Vec<TokenRow>) -> Self {
        Self { rows }
    }

    /// The same with a row more, or instead of the one with its hash.
    #[must_use]
    pub fn with(mut self, row: TokenRow) -> Self {
        self.rows.retain(|r| r.hash != row.hash);
        self.rows.push(row);
        self
    }

    /// The role of a token's holder; `None` for a token that is unknown, expired or revoked.
    ///
    /// Looks at every row and compares in constant time, so that the time taken says nothing of
    /// which rows there are.
    #[must_use]
    pub fn role_of(&self, token: &str, now: UnixMs) -> Option<Role> {
        self.holder_of(token, now).map(|row| row.role)
    }

    /// The same, with whoever holds it.
    #[must_use]
    pub fn holder_of(&self, token: &str, now: UnixMs) -> Option<&TokenRow> {
        let hash = TokenHash::of(token);
        let mut found = 0u64;
        for (i, row) in (1u64..).zip(&self.rows) {
            found.conditional_assign(&i, row.hash.0.ct_eq(&hash.0));
        }
        let at = usize::try_from(found.checked_sub(1)?).ok()?;
        let row = self.rows.get(at)?;
        let is_good = !row.revoked && row.expires.is_none_or(|e| now < e);
        is_good.then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_795_354_825_000);

    #[test]
    fn a_token_opens_what_its_role_may_and_only_its_hash_is_kept() {
        let (text, row) = issue([7; 32], Role::Dispatcher, "зміна 1", None);
        assert!(text.starts_with("zup_0707"));
        assert!(!format!("{row:?}").contains(&text));
        let (_, other) = issue([8; 32], Role::Admin, "admin", None);
        let book = TokenBook::new(vec![other, row]);
        assert_eq!(book.role_of(&text, NOW), Some(Role::Dispatcher));
        assert_eq!(book.role_of("zup_", NOW), None);
        assert_eq!(book.role_of("", NOW), None);
        assert_eq!(TokenBook::default().role_of(&text, NOW), None);
    }

    #[test]
    fn a_token_ends_by_expiry_and_by_revocation() {
        let (text, row) = issue([7; 32], Role::Validator, "v", Some(NOW));
        let book = TokenBook::new(vec![row.clone()]);
        assert_eq!(book.role_of(&text, UnixMs(NOW.0 - 1)), Some(Role::Validator));
        assert_eq!(book.role_of(&text, NOW), None);
        let revoked = book.with(TokenRow { revoked: true, expires: None, ..row });
        assert_eq!(revoked.role_of(&text, UnixMs(0)), None);
    }

    #[test]
    fn roles_are_apart_and_admin_is_all() {
        for r in Role::ALL {
            assert_eq!(r.name().parse(), Ok(r));
            assert!(Role::Admin.may_act_as(r));
            assert_eq!(r.may_act_as(Role::Dispatcher), matches!(r, Role::Dispatcher | Role::Admin));
        }
        assert_eq!("root".parse::<Role>(), Err(RoleError("root".to_owned())));
    }

    #[test]
    fn a_hash_travels_as_hex() {
        let (_, row) = issue([250; 32], Role::Tracker, "t", None);
        assert_eq!(TokenHash::from_hex(&row.hash.to_hex()), Some(row.hash));
        for bad in ["", "zz", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(TokenHash::from_hex(bad), None);
        }
    }
}
