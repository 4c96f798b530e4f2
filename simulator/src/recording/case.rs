//! A recorded case: a folder with `gtfs.zip` and `fixes/YYYY-MM-DD.csv[.gz]`, a file to each service day.
//! Whatever else is in it (truth, other predictions) is for whoever scores, and left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use transit_model::time::ServiceDate;

/// A case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Its timetable.
    pub gtfs: PathBuf,
    /// Its days, in order; at least one.
    pub days: Vec<Day>,
}

/// A recorded day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Day {
    /// The service day.
    pub date: ServiceDate,
    /// Its fixes, in the order they were received.
    pub fixes: PathBuf,
}

/// A folder is no case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It cannot be looked into.
    #[error("{path}: {why}", path = path.display())]
    Read {
        /// Which folder.
        path: PathBuf,
        /// The reason.
        why: io::Error,
    },
    /// It has no timetable.
    #[error("{path} is not there: a recording is a folder with gtfs.zip and fixes/YYYY-MM-DD.csv.gz", path = .0.display())]
    NoFeed(PathBuf),
    /// It has no day.
    #[error("{path} holds no file called YYYY-MM-DD.csv or YYYY-MM-DD.csv.gz", path = .0.display())]
    NoDays(PathBuf),
}

impl Case {
    /// Looks into a folder. Of a day that is there packed and plain, the packed file counts.
    ///
    /// # Errors
    /// When it cannot be read, or has no timetable or no day.
    pub fn open(folder: &Path) -> Result<Self, CaseError> {
        let gtfs = folder.join("gtfs.zip");
        if !gtfs.is_file() {
            return Err(CaseError::NoFeed(gtfs));
        }
        let fixes = folder.join("fixes");
        let fail = |why| CaseError::Read { path: fixes.clone(), why };
        let mut days: Vec<Day> = Vec::new();
        for entry in fs::read_dir(&fixes).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            days.extend(date_of(&path).map(|date| Day { date, fixes: path }));
        }
        days.sort_by(|a, b| (a.date, &b.fixes).cmp(&(b.date, &a.fixes)));
        days.dedup_by_key(|d| d.date);
        if days.is_empty() { Err(CaseError::NoDays(fixes)) } else { Ok(Self { gtfs, days }) }
    }

    /// The day of a date.
    #[must_use]
    pub fn day(&self, date: ServiceDate) -> Option<&Day> {
        self.days.iter().find(|d| d.date == date)
    }
}

/// The day a file is named after.
fn date_of(path: &Path) -> Option<ServiceDate> {
    let name = path.file_name()?.to_str()?;
    let stem = name.strip_suffix(".gz").unwrap_or(name).strip_suffix(".csv")?;
    stem.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_of_a_folder_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let e = Case::open(dir.path()).unwrap_err().to_string();
        assert!(e.contains("gtfs.zip is not there"), "{e}");
        fs::write(dir.path().join("gtfs.zip"), "").unwrap();
        assert!(matches!(Case::open(dir.path()), Err(CaseError::Read { .. })));
        let fixes = dir.path().join("fixes");
        fs::create_dir(&fixes).unwrap();
        fs::write(fixes.join("notes.csv"), "").unwrap();
        assert!(matches!(Case::open(dir.path()), Err(CaseError::NoDays(_))));
        for name in ["2026-08-19.csv.gz", "2026-08-18.csv", "2026-08-19.csv", "2026-08-20.parquet"] {
            fs::write(fixes.join(name), "").unwrap();
        }
        let case = Case::open(dir.path()).unwrap();
        let days: Vec<_> = case.days.iter().map(|d| (d.date.to_string(), d.fixes.file_name().unwrap())).collect();
        assert_eq!(
            days,
            [("20260818".into(), "2026-08-18.csv".as_ref()), ("20260819".into(), "2026-08-19.csv.gz".as_ref())]
        );
    }
}
