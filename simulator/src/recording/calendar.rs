//! A feed with its calendar moved: the same trips on other days, so that a server can be started on it. Only
//! the files with days in them are read and written anew; all others are copied as they are packed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use csv::StringRecord;
use transit_model::time::ServiceDate;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// The days of the week in the order of the service day's numbers, as `calendar.txt` names them.
const WEEK: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// The files with days in them, and the columns those stand in.
const DATED: [(&str, &[&str]); 3] = [
    ("calendar.txt", &["start_date", "end_date"]),
    ("calendar_dates.txt", &["date"]),
    ("feed_info.txt", &["feed_start_date", "feed_end_date"]),
];
/// A file with days that unpacks to more is none.
const MOST_BYTES: u64 = 512 << 20;

/// A feed's calendar cannot be moved.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {why}", path = path.display())]
pub struct MoveError {
    /// The file, read or written.
    pub path: PathBuf,
    /// The reason.
    pub why: io::Error,
}

/// Writes the feed of a zip with its calendar moved by so many days, weekdays turned with it.
///
/// # Errors
/// When the feed cannot be read as a zip, or the new one cannot be written.
pub fn move_calendar(feed: &Path, days: i32, out: &Path) -> Result<(), MoveError> {
    let from = |why| MoveError { path: feed.to_owned(), why };
    let to = |why| MoveError { path: out.to_owned(), why };
    let read = BufReader::new(File::open(feed).map_err(from)?);
    let mut archive = ZipArchive::new(read).map_err(|e| from(e.into()))?;
    let mut zip = ZipWriter::new(BufWriter::new(File::create(out).map_err(to)?));
    for n in 0..archive.len() {
        copy(&mut archive, n, days, &mut zip).map_err(from)?;
    }
    zip.finish().map_err(io::Error::from).and_then(|mut w| w.flush()).map_err(to)
}

fn copy<R: Read + Seek, W: Write + Seek>(
    archive: &mut ZipArchive<R>,
    n: usize,
    days: i32,
    zip: &mut ZipWriter<W>,
) -> io::Result<()> {
    let file = archive.by_index(n)?;
    let name = file.name().to_owned();
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let Some((_, columns)) = DATED.iter().find(|(dated, _)| dated.eq_ignore_ascii_case(base)) else {
        return Ok(zip.raw_copy_file(file)?);
    };
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default());
    zip.start_file(name, options)?;
    zip.write_all(&moved(&bytes, columns, days)?)
}

/// A table with its days moved. What is no date stays as it is: whoever loads the feed will name it.
fn moved(table: &[u8], columns: &[&str], days: i32) -> io::Result<Vec<u8>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table);
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let header = reader.headers()?.clone();
    let name = |c: &str| c.trim_matches(['\u{feff}', ' ', '"']).to_ascii_lowercase();
    let names: Vec<String> = header.iter().map(name).collect();
    // The day of a week's column, where the table has one to each.
    let week: Option<Vec<usize>> = WEEK.iter().map(|d| names.iter().position(|n| n == d)).collect();
    writer.write_record(&header)?;
    for row in reader.records() {
        let row = row?;
        let field = |at: usize| -> String {
            let here = row.get(at).unwrap_or_default();
            if names.get(at).is_some_and(|n| columns.contains(&n.as_str())) {
                let date = here.trim().parse::<ServiceDate>().ok();
                return date.map_or_else(|| here.to_owned(), |d| d.plus_days(days).to_string());
            }
            let turned = week.as_ref().and_then(|week| {
                let day = week.iter().position(|c| *c == at)?;
                let before = i64::try_from(day).ok()? - i64::from(days);
                row.get(*week.get(usize::try_from(before.rem_euclid(7)).ok()?)?)
            });
            turned.unwrap_or(here).to_owned()
        };
        writer.write_record(&(0..row.len()).map(field).collect::<StringRecord>())?;
    }
    writer.into_inner().map_err(|e| io::Error::other(e.to_string()))
}

#[cfg(test)]
mod tests {
    use transit_model::gtfs::{self, GtfsFiles};
    use transit_model::ids::FeedId;

    use super::*;
    use crate::city;

    /// The services of a feed that run on a day, by id.
    fn running(files: &[u8], day: ServiceDate) -> Vec<String> {
        let t = gtfs::load_zip("f", files, FeedId::from("f")).unwrap().timetable;
        let mut ids: Vec<String> =
            t.services.iter().filter(|(_, s)| s.runs_on(day)).map(|(_, s)| s.id.to_string()).collect();
        ids.sort();
        ids
    }

    #[test]
    fn what_ran_on_a_day_runs_on_the_day_it_moves_to() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old.zip"), dir.path().join("new.zip"));
        let day: ServiceDate = "20240510".parse().unwrap();
        let feed: GtfsFiles = city::feed(day)
            .with("calendar_dates.txt", "service_id,date,exception_type\nweekday,20240513,2\n")
            .with("sub/notes.txt", "left alone");
        std::fs::write(&old, feed.to_zip_bytes().unwrap()).unwrap();
        for days in [0, 7, 917, -15, 3] {
            move_calendar(&old, days, &new).unwrap();
            let (before, after) = (std::fs::read(&old).unwrap(), std::fs::read(&new).unwrap());
            for n in 0..14 {
                let d = day.plus_days(n);
                assert_eq!(running(&before, d), running(&after, d.plus_days(days)), "{d} moved by {days}");
            }
            let mut zip = ZipArchive::new(io::Cursor::new(after)).unwrap();
            let mut text = String::new();
            zip.by_name("sub/notes.txt").unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "left alone");
        }
    }

    #[test]
    fn what_is_no_date_and_no_zip() {
        let table = "\u{feff}service_id,date ,exception_type\n\"a,b\",soon,1\nc,20240229,1\n";
        let text = String::from_utf8(moved(table.as_bytes(), &["date"], 1).unwrap()).unwrap();
        assert!(text.contains("\"a,b\",soon,1") && text.contains("c,20240301,1"), "{text}");
        let dir = tempfile::tempdir().unwrap();
        let bad = dir.path().join("bad.zip");
        std::fs::write(&bad, "no zip").unwrap();
        let e = move_calendar(&bad, 7, &dir.path().join("out.zip")).unwrap_err().to_string();
        assert!(e.contains("bad.zip"), "{e}");
    }
}
