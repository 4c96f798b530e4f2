//! `zupynka measures`: what the public is not told, decided over the server's own API with a dispatcher's token.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use eta_engine::public::measure::{Covers, Kind, Measure, Scope};
use eta_engine::public::zone::Zone;
use jiff::Timestamp;
use reqwest::{Client, Method, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::Failure;

/// An answer may take so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Arguments of `zupynka measures`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server, such as `https://transport.example`.
    #[arg(long, value_name = "URL", global = true, default_value = "http://127.0.0.1:8080")]
    server: Url,
    /// A file with a dispatcher's or administrator's token; also the variable ZUPYNKA_TOKEN.
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// The server's own JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// What to do.
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show the measures that hold or will: what, where, until when, by whom and why.
    List {
        /// Those that are over, too.
        #[arg(long)]
        past: bool,
    },
    /// Take a measure; it holds when this returns.
    ///
    /// `zupynka measures add stop --feed --reason "air raid"` hides where vehicles are until it is ended;
    /// `zupynka measures add delay --minutes 10 --route 2 --for 90 --reason "..."` shows where those of a route were ten
    /// minutes ago, for an hour and a half.
    Add(Box<Add>),
    /// End a measure before its time.
    End {
        /// Its number, as `list` shows it.
        id: i64,
        /// Why.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Which {
    /// The public sees where vehicles were some minutes ago.
    Delay,
    /// The public does not see where vehicles are.
    Stop,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("scope").required(true))]
struct Add {
    /// What.
    which: Which,
    /// By how many minutes, for `delay`.
    #[arg(long, value_name = "N", required_if_eq("which", "delay"))]
    minutes: Option<u32>,
    /// Predictions too: boards then show the timetable, and say why.
    #[arg(long)]
    predictions: bool,
    /// The whole feed.
    #[arg(long, group = "scope")]
    feed: bool,
    /// A route, by its `route_id`.
    #[arg(long, value_name = "ID", group = "scope")]
    route: Option<String>,
    /// A zone: a GeoJSON file with a Polygon, bare or as a Feature.
    #[arg(long, value_name = "FILE", group = "scope")]
    zone: Option<PathBuf>,
    /// A zone: a circle, as LAT,LON,METRES.
    #[arg(long, value_name = "LAT,LON,METRES", group = "scope", value_parser = circle)]
    circle: Option<Zone>,
    /// For so many minutes from now; without it, until it is ended.
    #[arg(long = "for", value_name = "MINUTES", conflicts_with = "until")]
    lasts: Option<u32>,
    /// Until a moment, RFC 3339: 2026-11-24T18:30:00+02:00.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Why. Passengers do not see it, every dispatcher does.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

fn circle(text: &str) -> Result<Zone, String> {
    let numbers: Option<Vec<f64>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
    match numbers.as_deref() {
        Some([lat, lon, radius_m]) => {
            let zone = Zone::Circle { lat: *lat, lon: *lon, radius_m: *radius_m };
            zone.check().map_err(|e| e.to_string()).map(|()| zone)
        }
        _ => Err("three numbers are wanted: latitude, longitude, metres".to_owned()),
    }
}

/// The polygon of a GeoJSON file: bare, of a feature, or of a collection's only feature.
fn zone_of(path: &Path) -> anyhow::Result<Zone> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut value: Value = serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
    if let Some(features) = value.get("features").and_then(Value::as_array) {
        match features.as_slice() {
            [one] => value = one.clone(),
            all => bail!("{name} has {} features; a zone is one", all.len()),
        }
    }
    let shape = value.get("geometry").unwrap_or(&value);
    let kind = shape.get("type").and_then(Value::as_str).unwrap_or("nothing");
    if kind != "Polygon" {
        bail!("{name} holds {kind}; a zone is a Polygon");
    }
    let rings = shape.get("coordinates").cloned().unwrap_or_default();
    let rings: Vec<Vec<Vec<f64>>> =
        serde_json::from_value(rings).with_context(|| format!("{name}: the coordinates are no rings of places"))?;
    // A place of GeoJSON may have its height; it is passed over.
    let place = |p: Vec<f64>| match p.as_slice() {
        [lon, lat, ..] => Ok([*lon, *lat]),
        _ => Err(anyhow!("{name}: a place needs longitude and latitude")),
    };
    let ring = |r: Vec<Vec<f64>>| r.into_iter().map(place).collect::<anyhow::Result<Vec<_>>>();
    let zone = Zone::Polygon { coordinates: rings.into_iter().map(ring).collect::<anyhow::Result<_>>()? };
    zone.check().with_context(|| format!("{name}"))?;
    Ok(zone)
}

impl Add {
    fn body(&self) -> anyhow::Result<Value> {
        let scope = match (&self.route, &self.zone, &self.circle) {
            (Some(route_id), ..) => Scope::Route { route_id: route_id.clone() },
            (_, Some(path), _) => Scope::Zone { area: zone_of(path)? },
            (_, _, Some(area)) => Scope::Zone { area: area.clone() },
            _ => Scope::Feed,
        };
        let covers = if self.predictions { Covers::PositionsAndPredictions } else { Covers::Positions };
        let mut body = json!({"covers": covers, "scope": scope, "reason": self.reason});
        let kind = match self.which {
            Which::Delay => "delay_public",
            Which::Stop => "stop_public",
        };
        if let Some(o) = body.as_object_mut() {
            o.insert("kind".to_owned(), kind.into());
            o.extend(self.minutes.map(|m| ("minutes".to_owned(), m.into())));
            o.extend(self.lasts.map(|m| ("lasts_minutes".to_owned(), m.into())));
            o.extend(self.until.map(|t| ("until".to_owned(), t.as_millisecond().into())));
        }
        Ok(body)
    }
}

#[derive(Deserialize)]
struct Item {
    #[serde(flatten)]
    measure: Measure,
    in_force: bool,
}

#[derive(Deserialize)]
struct List {
    measures: Vec<Item>,
}

/// Asks the server, or tells it.
///
/// # Errors
/// When there is no token or a file cannot be used (2), or the server refuses or cannot be reached (1).
pub async fn run(args: &Args) -> Result<(), Failure> {
    let token = token(args.token_file.as_deref()).map_err(Failure::usage)?;
    let (method, path, body) = match &args.what {
        What::List { past } => (Method::GET, format!("/v1/measures?past={past}"), None),
        What::Add(add) => (Method::POST, "/v1/measures".to_owned(), Some(add.body().map_err(Failure::usage)?)),
        What::End { id, reason } => (Method::POST, format!("/v1/measures/{id}/end"), Some(json!({"reason": reason}))),
    };
    let answer = ask(&args.server, &token, method, &path, body).await?;
    let mut out = std::io::stdout().lock();
    let said = if args.json {
        writeln!(out, "{answer}")
    } else {
        let items = match args.what {
            What::List { .. } => serde_json::from_value::<List>(answer).map(|l| l.measures),
            _ => serde_json::from_value::<Item>(answer).map(|i| vec![i]),
        };
        let items = items.context("the server's answer is not understood")?;
        if items.is_empty() {
            writeln!(out, "no measures: the public sees everything")
        } else {
            items.iter().try_for_each(|i| writeln!(out, "{}", line(i)))
        }
    };
    Ok(said.map_err(anyhow::Error::from)?)
}

fn token(file: Option<&Path>) -> anyhow::Result<String> {
    let text = match file {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read the token {}", path.display()))?
        }
        None => std::env::var("ZUPYNKA_TOKEN").ok().context("a token is needed: --token-file or ZUPYNKA_TOKEN")?,
    };
    Ok(text.trim().to_owned())
}

async fn ask(server: &Url, token: &str, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
    let url = server.join(path).with_context(|| format!("cannot ask {server}{path}"))?;
    let client = Client::builder().timeout(PATIENCE).build().context("cannot make a client")?;
    let mut request = client.request(method, url).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.with_context(|| format!("cannot reach {server}"))?;
    let status = response.status();
    let answer: Value = response.json().await.with_context(|| format!("{server} answered {status}, and no JSON"))?;
    match status {
        StatusCode::OK | StatusCode::CREATED => Ok(answer),
        _ => bail!("{}", answer.get("detail").and_then(Value::as_str).unwrap_or(status.as_str())),
    }
}

/// One measure in a line.
fn line(item: &Item) -> String {
    let m = &item.measure;
    let what = match m.kind {
        Kind::StopPublic => "stop".to_owned(),
        Kind::DelayPublic { minutes } => format!("delay {minutes} min"),
    };
    let covers = match m.covers {
        Covers::Positions => "positions",
        Covers::PositionsAndPredictions => "positions and predictions",
    };
    let place = match &m.scope {
        Scope::Feed => "feed".to_owned(),
        Scope::Route { route_id } => format!("route {route_id}"),
        Scope::Zone { area: Zone::Circle { lat, lon, radius_m } } => format!("{radius_m} m around {lat}, {lon}"),
        Scope::Zone { area: Zone::Polygon { coordinates } } => {
            format!("polygon of {} corners", coordinates.iter().map(|r| r.len().saturating_sub(1)).sum::<usize>())
        }
    };
    let time = |at: transit_model::time::UnixMs| {
        Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |t| t.strftime("%F %H:%MZ").to_string())
    };
    let state = match &m.ended {
        Some(e) => format!("ended {} by {}: {}", time(e.at), e.by, e.reason),
        None if item.in_force => "in force".to_owned(),
        None => "not in force".to_owned(),
    };
    let until = m.until.map_or_else(|| "until ended".to_owned(), |u| format!("until {}", time(u)));
    format!(
        "{:>4}  {what}  {covers}  {place}  from {}  {until}  {} ({}): {}  [{state}]",
        m.id,
        time(m.from),
        m.by,
        m.role,
        m.reason
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_taken_from_a_geojson_file_however_it_is_wrapped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("zone.geojson");
        let polygon = r#"{"type":"Polygon","coordinates":[[[37.5,48.8,120],[37.7,48.8],[37.6,48.9],[37.5,48.8]]]}"#;
        let polygon = polygon.replace(",120", "");
        let feature = format!(r#"{{"type":"Feature","properties":{{}},"geometry":{polygon}}}"#);
        let both =
            |n: usize| format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, vec![feature.clone(); n].join(","));
        for text in [polygon.clone(), polygon.replace("48.9]", "48.9,120]"), feature.clone(), both(1)] {
            std::fs::write(&path, &text).unwrap();
            assert!(zone_of(&path).unwrap().contains(48.83, 37.6), "{text}");
        }
        for (text, says) in [
            (both(2), "has 2 features"),
            (r#"{"type":"Point","coordinates":[1,2]}"#.to_owned(), "holds Point; a zone is a Polygon"),
            (polygon.replace("37.5,48.8]]]", "37.5,48.7]]]"), "zone.geojson"),
            ("{".to_owned(), "is no JSON"),
        ] {
            std::fs::write(&path, text).unwrap();
            let e = zone_of(&path).unwrap_err().to_string();
            assert!(e.contains(says), "{e}");
        }
        assert!(circle("48.85,37.6,2000").unwrap().contains(48.86, 37.6));
        assert!(circle("48.85,37.6").is_err() && circle("98.85,37.6,5").is_err());
    }
}
