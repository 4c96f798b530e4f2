//! The dispatcher's token: from a file or the environment, into one header, into no log.

use std::path::{Path, PathBuf};

/// A bearer token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A token cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("--token-file {}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// There is nothing in it, or what cannot go into a header.
    #[error("{0} holds no token: one line of letters, digits and signs is wanted")]
    Shape(String),
}

impl Token {
    /// From the file, or else from the value of `ZUPYNKA_TOKEN`, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read, or what was found is no token. The token itself is never named.
    pub fn find(file: Option<&Path>, environment: Option<String>) -> Result<Option<Self>, TokenError> {
        let (text, from) = match (file, environment) {
            (Some(path), _) => {
                let read =
                    std::fs::read_to_string(path).map_err(|why| TokenError::File { path: path.to_owned(), why })?;
                (read, format!("--token-file {}", path.display()))
            }
            (None, Some(text)) => (text, "ZUPYNKA_TOKEN".to_owned()),
            (None, None) => return Ok(None),
        };
        let token = text.trim();
        let fits = !token.is_empty() && token.len() <= 4096 && token.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Some(Self(token.to_owned()))) } else { Err(TokenError::Shape(from)) }
    }

    /// The header's value.
    #[must_use]
    pub fn header(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_is_never_shown() {
        let found = Token::find(None, Some(" secret-1 \n".to_owned())).unwrap().unwrap();
        assert_eq!(found.header(), "Bearer secret-1");
        assert!(!format!("{found:?}").contains("secret"));
        assert!(Token::find(None, None).unwrap().is_none());
        for bad in ["", "  \n", "two words", "рядок", "a\nb"] {
            let error = Token::find(None, Some(bad.to_owned())).unwrap_err().to_string();
            assert!(error.starts_with("ZUPYNKA_TOKEN holds no token"), "{error}");
        }
        let missing = Token::find(Some(Path::new("/nowhere/token")), None).unwrap_err().to_string();
        assert!(missing.starts_with("--token-file /nowhere/token: "), "{missing}");
    }
}
