//! The address of a server, as people type it, and the addresses clients make of it. No connecting.

use url::Url;

/// The address of a server: `http://host:8080`, with a path where a proxy puts it under one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Server(Url);

/// A text is not the address of a server.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServerError {
    /// It cannot be read as an address.
    #[error("`{0}` is not a server address ({1}): write it as http://host:8080")]
    Unreadable(String, url::ParseError),
    /// It is an address of something else.
    #[error("`{0}` has the scheme `{1}`: http, https, ws or wss is wanted")]
    Scheme(String, String),
    /// It carries a name and password, which would end up in logs.
    #[error("the server address carries a user name: give the token by --token-file instead")]
    Credentials,
}

impl std::str::FromStr for Server {
    type Err = ServerError;

    fn from_str(s: &str) -> Result<Self, ServerError> {
        let mut url = Url::parse(s.trim()).map_err(|e| ServerError::Unreadable(s.to_owned(), e))?;
        let plain = match url.scheme() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            other => return Err(ServerError::Scheme(s.to_owned(), other.to_owned())),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ServerError::Credentials);
        }
        // Both pairs are special schemes of the URL standard, between which it may be changed.
        url.set_scheme(plain).map_err(|()| ServerError::Scheme(s.to_owned(), plain.to_owned()))?;
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self(url))
    }
}

impl Server {
    /// The WebSocket address of a path under the server, its segments escaped as they need.
    #[must_use]
    pub fn websocket(&self, segments: &[&str], query: &[(&str, &str)]) -> String {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url.into()
    }
}

impl std::fmt::Display for Server {
    /// As one would type it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.as_str().trim_end_matches('/');
        match text.strip_prefix("ws") {
            Some(rest) => write!(f, "http{rest}"),
            None => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_type_them() {
        for (typed, wanted) in [
            ("http://localhost:8080", "ws://localhost:8080/v1/stops/a%2Fb%20%D0%B2/live?lang=uk"),
            ("http://localhost:8080/", "ws://localhost:8080/v1/stops/a%2Fb%20%D0%B2/live?lang=uk"),
            ("https://city.ua/transit", "wss://city.ua/transit/v1/stops/a%2Fb%20%D0%B2/live?lang=uk"),
            ("ws://[::1]:90", "ws://[::1]:90/v1/stops/a%2Fb%20%D0%B2/live?lang=uk"),
        ] {
            let server: Server = typed.parse().unwrap();
            assert_eq!(server.websocket(&["v1", "stops", "a/b в", "live"], &[("lang", "uk")]), wanted);
        }
        assert_eq!("wss://city.ua/".parse::<Server>().unwrap().to_string(), "https://city.ua");
    }

    #[test]
    fn what_is_no_server_is_refused_by_name() {
        for bad in ["", "localhost", "localhost:8080", "ftp://x", "http://", "http://u:p@x", "http://x:99999"] {
            let error = bad.parse::<Server>().unwrap_err().to_string();
            assert!(error.contains("server address") || error.contains("scheme"), "{bad}: {error}");
        }
        let secret = "http://user:secret@host".parse::<Server>().unwrap_err().to_string();
        assert!(!secret.contains("secret"), "{secret}");
    }
}
