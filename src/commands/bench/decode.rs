//! `zupynka bench decode`: bytes to records on one core, as a connection reads them: what a device would
//! write, in pieces of 4 KiB. Sockets, the gate and the journal are not in it.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;
use simulator::load::device;
use simulator::load::ways::Ways;
use tracker_ingest::codec::stream::{Answer, Session, StreamCodec};
use tracker_ingest::codec::teltonika::{self, Codec};
use tracker_ingest::codec::{DeviceKey, Message, Outcome, Protocol, Record};
use transit_model::clock::{Clock as _, Stopwatch, SystemClock};
use transit_model::time::UnixMs;

use super::{Args, Part, Report, What, a_second};

/// Messages of a recording.
const MESSAGES: usize = 200;
/// Bytes read at a time, as the listeners do.
const READ: usize = 4096;
/// Milliseconds between two records of a device.
const INTERVAL: i64 = 5000;

/// What one device writes from its login on.
struct Recording {
    bytes: Vec<u8>,
    records: u64,
}

/// Figures of one protocol.
struct Measured {
    per_second: f64,
    reads: Histogram<u64>,
    megabytes: f64,
}

pub(super) fn run(args: &Args, bar: &ProgressBar) -> anyhow::Result<Report> {
    let lasts = Duration::from_secs_f64(args.seconds.unwrap_or(2.0));
    let now = SystemClock.now();
    let city = simulator::city::load(transit_model::time::Zone::utc().date(now)).context("the demo city")?;
    let ways = Ways::of(&city.timetable).context("the demo city has no lines")?;
    let mut parts = Vec::new();
    let mut first: Option<Measured> = None;
    for protocol in Protocol::ALL.iter().copied() {
        let Some(codec) = protocol.stream() else { continue };
        bar.set_message(protocol.name());
        let recording = match record(codec, &ways, now) {
            Ok(recording) => recording,
            Err(error) => {
                tracing::warn!(%protocol, %error, "not measured");
                continue;
            }
        };
        let m = measure(codec, &recording, lasts, now).with_context(|| protocol.name())?;
        parts.push(part(protocol.name(), &recording, &m));
        if protocol == Protocol::Teltonika {
            let eight = record_eight(&ways, now)?;
            parts.push(part("teltonika, codec 8", &eight, &measure(codec, &eight, lasts, now)?));
        }
        first.get_or_insert(m);
    }
    let Some(m) = first else { bail!("no protocol has a device's end to be measured with") };
    let run = format!(
        "one thread reading {MESSAGES} messages of one device over and over in reads of {READ} bytes, {:.1} s for each protocol; the figure is that of {} 8E",
        lasts.as_secs_f64(),
        Protocol::Teltonika
    );
    let mut report = Report::of(What::Decode, "records", m.per_second, run);
    report.parts = parts;
    Ok(report.latency("one read of 4 KiB", at(&m.reads, 0.5), at(&m.reads, 0.99)))
}

fn part(name: &str, recording: &Recording, m: &Measured) -> Part {
    let figures = vec![
        ("records_per_second", m.per_second),
        ("megabytes_per_second", m.megabytes),
        ("bytes_a_record", recording.bytes.len() as f64 / recording.records.max(1) as f64),
        ("read_p50_ms", at(&m.reads, 0.5)),
        ("read_p99_ms", at(&m.reads, 0.99)),
    ];
    Part { name: name.to_owned(), figures }
}

fn at(h: &Histogram<u64>, quantile: f64) -> f64 {
    h.value_at_quantile(quantile) as f64 / 1e6
}

/// The records of one message.
fn records(ways: &Ways, now: UnixMs, message: usize, most: usize) -> Vec<Record> {
    let ago = |n: usize| i64::try_from((MESSAGES - message) * most - n).unwrap_or(0) * INTERVAL;
    (0..most).map(|n| ways.record(1, UnixMs(now.0 - ago(n)))).collect()
}

/// Lets a device and a server talk, and keeps what the device said. A device that cannot be called by an
/// IMEI is called by a shorter number.
fn record(codec: &StreamCodec, ways: &Ways, now: UnixMs) -> anyhow::Result<Recording> {
    let imei = device(1);
    let names = [imei, DeviceKey::from("013800138000"), DeviceKey::from("100001")];
    let mut last = None;
    for name in names {
        match talk(codec, &name, ways, now) {
            Ok(recording) => return Ok(recording),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("a device without a name")))
}

fn talk(codec: &StreamCodec, name: &DeviceKey, ways: &Ways, now: UnixMs) -> anyhow::Result<Recording> {
    let (mut terminal, mut session) = ((codec.terminal)(name), (codec.session)());
    let mut recording = Recording { bytes: Vec::new(), records: 0 };
    let hello = terminal.hello()?;
    let mut said = vec![(hello, 0)];
    for message in 0..=MESSAGES {
        for (bytes, wanted) in said.drain(..) {
            session.feed(&bytes);
            let mut answer = Vec::new();
            let mut read = 0;
            while let Some(heard) = session.next_message(now)? {
                if let Message::Records(records) = &heard.message {
                    read += records.len();
                }
                answer.extend(heard.reply.to(Outcome::Taken));
            }
            ensure!(read == wanted, "{read} of {wanted} records were read");
            ensure!(bytes.is_empty() || matches!(terminal.hear(&answer)?, Answer::Taken(_)), "the answer is none");
            recording.records += read as u64;
            recording.bytes.extend(bytes);
        }
        if message < MESSAGES {
            let records = records(ways, now, message, terminal.most());
            said.push((terminal.tell(&records)?, records.len()));
        }
    }
    Ok(recording)
}

/// The same by codec 8, which the trackers of ours do not speak any more.
fn record_eight(ways: &Ways, now: UnixMs) -> anyhow::Result<Recording> {
    let mut bytes = teltonika::encode_login(device(1).expose())?;
    let most = 24;
    for message in 0..MESSAGES {
        bytes.extend(teltonika::encode(Codec::Eight, &records(ways, now, message, most))?);
    }
    Ok(Recording { bytes, records: (MESSAGES * most) as u64 })
}

fn measure(codec: &StreamCodec, recording: &Recording, lasts: Duration, now: UnixMs) -> anyhow::Result<Measured> {
    // Once to see that all of it is read, and to have it in the caches.
    let mut reads = Histogram::new_with_bounds(1, 60_000_000_000, 3)?;
    ensure!(read_all(codec, recording, now, &mut |_| ())? == recording.records, "not every record is read");
    let watch = Stopwatch::start();
    let (mut records, mut bytes) = (0u64, 0u64);
    while watch.elapsed() < lasts || records == 0 {
        records += read_all(codec, recording, now, &mut |took| {
            reads.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        })?;
        bytes += recording.bytes.len() as u64;
    }
    let took = watch.elapsed();
    Ok(Measured { per_second: a_second(records, took), reads, megabytes: a_second(bytes, took) / 1e6 })
}

/// One connection from login to end; says how many records it held.
fn read_all(
    codec: &StreamCodec,
    recording: &Recording,
    now: UnixMs,
    took: &mut dyn FnMut(Duration),
) -> anyhow::Result<u64> {
    let mut session: Box<dyn Session> = (codec.session)();
    let mut records = 0u64;
    for piece in recording.bytes.chunks(READ) {
        let watch = Stopwatch::start();
        session.feed(piece);
        while let Some(heard) = session.next_message(now)? {
            if let Message::Records(read) = &heard.message {
                records += read.len() as u64;
            }
            std::hint::black_box(&heard);
        }
        took(watch.elapsed());
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_protocol_is_measured() {
        let report = run(&super::super::tests::args(&["decode", "--seconds", "0.01"]), &ProgressBar::hidden()).unwrap();
        assert!(report.per_second > 1000.0, "{report}");
        assert!(report.p50_ms > 0.0 && report.p50_ms <= report.p99_ms);
        let measured: Vec<&str> = report.parts.iter().map(|p| p.name.as_str()).collect();
        for protocol in Protocol::ALL.iter().filter(|p| p.stream().is_some()) {
            assert!(measured.contains(&protocol.name()), "{protocol} is not in {measured:?}");
        }
    }
}
