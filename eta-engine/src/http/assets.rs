//! The files the pages need: kept in the binary, named with a hash of what is in them so that
//! browsers may keep them for good.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use transit_model::timetable::Timetable;

use super::app::App;
use super::problem::{Answer, Problem};
use super::reply::{Keep, etag_of_bytes, tagged};

/// The sheet of every page.
pub const STYLE: &str = include_str!("../../web/style.css");
/// The sheet of the page of accuracy, beside the other.
pub const ACCURACY: &str = include_str!("../../web/accuracy.css");
/// What makes a board live.
pub const BOARD_JS: &str = include_str!("../../web/board.js");
/// What makes the search live.
pub const HOME_JS: &str = include_str!("../../web/home.js");
/// The sheet of the page of streets, beside the other.
pub const STREETS: &str = include_str!("../../web/streets.css");
/// What finds streets nearby.
pub const STREETS_JS: &str = include_str!("../../web/streets.js");
/// The icon of the site.
pub const ICON: &str = include_str!("../../web/icon.svg");
/// The icons of the pages, to stand in each.
pub const SPRITE: &str = include_str!("../../web/sprite.svg");

/// The same for every build of the same files.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut all = Sha256::new();
    for file in [STYLE, ACCURACY, STREETS, BOARD_JS, HOME_JS, STREETS_JS, ICON] {
        all.update(file);
    }
    all.finalize().iter().take(6).fold(String::new(), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
});

/// Where a file is found: `/assets/0123456789ab/style.css`.
#[must_use]
pub fn path(file: &str) -> String {
    format!("/assets/{}/{file}", *VERSION)
}

/// `GET /assets/{version}/{file}`.
pub async fn file(State(app): State<App>, Path((version, name)): Path<(String, String)>, headers: HeaderMap) -> Answer {
    if name == "colours.css" {
        let css = colours(&app.world().timetable);
        let tag = etag_of_bytes(css.as_bytes());
        return Ok(tagged(&headers, Keep::Timetable, tag, || typed("text/css; charset=utf-8", css)));
    }
    let (kind, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "accuracy.css" => ("text/css; charset=utf-8", ACCURACY),
        "streets.css" => ("text/css; charset=utf-8", STREETS),
        "streets.js" => ("text/javascript; charset=utf-8", STREETS_JS),
        "board.js" => ("text/javascript; charset=utf-8", BOARD_JS),
        "home.js" => ("text/javascript; charset=utf-8", HOME_JS),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Err(Problem::no_such_path(&format!("/assets/{version}/{name}"))),
    };
    let mut response = typed(kind, text.to_owned());
    // A page of another build may ask for its own version: it gets ours, but may not keep it.
    let keep = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    Ok(response)
}

fn typed(kind: &'static str, text: String) -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

/// The class of a route's badge: `k-0b6e4f-ffffff`, the same as the pages' script makes.
#[must_use]
pub fn colour_class(colour: Option<&str>, text: Option<&str>) -> String {
    let bare = |c: Option<&str>| c.unwrap_or("#").trim_start_matches('#').to_owned();
    colour.map(|c| format!("k-{}-{}", bare(Some(c)), bare(text))).unwrap_or_default()
}

/// The feed's colours as a sheet, for the pages allow no style of their own. Letters that could not be read on
/// their ground (contrast below WCAG's 4.5) are made black or white.
#[must_use]
pub fn colours(t: &Timetable) -> String {
    let mut pairs: Vec<_> = t.routes.iter().filter_map(|(_, r)| Some((r.colour? & 0xff_ffff, r.text_colour))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut css = String::new();
    for (ground, letters) in pairs {
        let hex = |c: u32| format!("#{:06x}", c & 0xff_ffff);
        let class = colour_class(Some(&hex(ground)), letters.map(hex).as_deref());
        let ink = letters.filter(|l| contrast(ground, *l) >= 4.5).unwrap_or_else(|| readable_on(ground));
        // Writing to a String cannot fail.
        let _ = writeln!(css, ".{class}{{background:{};color:{}}}", hex(ground), hex(ink));
    }
    css
}

fn readable_on(ground: u32) -> u32 {
    if contrast(ground, 0) >= contrast(ground, 0xff_ffff) { 0x0b_131b } else { 0xff_ffff }
}

/// WCAG 2.2 contrast ratio, 1..=21.
fn contrast(a: u32, b: u32) -> f64 {
    let luminance = |c: u32| {
        let part = |shift: u32| {
            let v = f64::from(c >> shift & 0xff) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(16) + 0.7152 * part(8) + 0.0722 * part(0)
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_nobody_could_read_are_made_readable() {
        assert!((contrast(0, 0xff_ffff) - 21.0).abs() < 0.01);
        assert_eq!(readable_on(0xff_ee00), 0x0b_131b);
        assert_eq!(readable_on(0x12_407f), 0xff_ffff);
        assert_eq!(
            colours(&crate::board::fixture::timetable()),
            ".k-0b6e4f-ffffff{background:#0b6e4f;color:#ffffff}\n"
        );
    }

    #[test]
    fn a_colour_has_one_class_here_and_in_the_script() {
        assert_eq!(colour_class(Some("#0b6e4f"), Some("#ffffff")), "k-0b6e4f-ffffff");
        assert_eq!(colour_class(Some("#0b6e4f"), None), "k-0b6e4f-");
        assert_eq!(colour_class(None, Some("#ffffff")), "");
    }
}
