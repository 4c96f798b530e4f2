//! Where the files of a feed lie: a zip, a folder, or memory. It finds them, whatever sub-folder
//! they are in, and hands out their bytes; what the bytes mean is none of its business.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::LoadError;
use super::report::{Action, Fault, Finding, Report};
use super::write::GtfsFiles;

/// The files this project reads; all others are left alone.
const KNOWN: [&str; 10] = [
    "agency.txt",
    "stops.txt",
    "routes.txt",
    "trips.txt",
    "stop_times.txt",
    "calendar.txt",
    "calendar_dates.txt",
    "shapes.txt",
    "frequencies.txt",
    "feed_info.txt",
];
/// A file that unpacks to more is no city's: the whole of Germany's `stop_times.txt` is 2 GB.
const MOST_BYTES: u64 = 4 << 30;

enum Place<'a> {
    ZipFile(PathBuf),
    ZipBytes(&'a [u8]),
    Folder,
    Memory(&'a GtfsFiles),
}

/// A feed's files.
pub(super) struct Source<'a> {
    /// The path, or what stands for it in messages.
    pub(super) name: String,
    place: Place<'a>,
    /// The specification's name of a file, and where it lies.
    files: Vec<(&'static str, String)>,
}

impl<'a> Source<'a> {
    /// A zip file or a folder.
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let name = path.display().to_string();
        let fail = |why| LoadError::Open { path: name.clone(), why };
        if path.is_dir() {
            let entries = folder_entries(path).map_err(fail)?;
            return Self::with(name, Place::Folder, entries);
        }
        let file = File::open(path).map_err(fail)?;
        let entries = zip_entries(&name, file)?;
        Self::with(name, Place::ZipFile(path.to_owned()), entries)
    }

    /// A zip in memory; `name` stands for its path.
    pub(super) fn zip(name: &str, bytes: &'a [u8]) -> Result<Self, LoadError> {
        let entries = zip_entries(name, Cursor::new(bytes))?;
        Self::with(name.to_owned(), Place::ZipBytes(bytes), entries)
    }

    /// Files in memory.
    pub(super) fn memory(name: &str, files: &'a GtfsFiles) -> Result<Self, LoadError> {
        let entries = files.iter().map(|(name, _)| name.to_owned()).collect();
        Self::with(name.to_owned(), Place::Memory(files), entries)
    }

    fn with(name: String, place: Place<'a>, entries: Vec<String>) -> Result<Self, LoadError> {
        let files = feed_files(entries);
        if files.is_empty() {
            return Err(LoadError::NoFeed { path: name });
        }
        Ok(Self { name, place, files })
    }

    /// Whether the feed has this file.
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.iter().any(|(known, _)| *known == file)
    }

    /// Lets `f` read a file the timetable can do without: one that cannot be read is reported and
    /// taken as if it were not there.
    pub(super) fn read_optional<T>(
        &self,
        file: &'static str,
        report: &mut Report,
        f: impl FnOnce(&mut dyn Read, &mut Report) -> Result<T, LoadError>,
    ) -> Option<T> {
        match self.read(file, |bytes| f(bytes, report)) {
            Ok(read) => read,
            Err(why) => {
                let finding = Finding::new(Fault::UnreadableFile, file, Action::FileIgnored);
                report.add(finding.detail(why.to_string()));
                None
            }
        }
    }

    /// The error of a file the timetable cannot do without.
    pub(super) fn missing(&self, file: &str) -> LoadError {
        LoadError::MissingFile { path: self.name.clone(), file: file.to_owned() }
    }

    /// Lets `f` read a file; `None` where the feed has none of this name.
    pub(super) fn read<T>(
        &self,
        file: &str,
        f: impl FnOnce(&mut dyn Read) -> Result<T, LoadError>,
    ) -> Result<Option<T>, LoadError> {
        let Some((_, at)) = self.files.iter().find(|(known, _)| *known == file) else { return Ok(None) };
        let fail = |why| LoadError::Read { path: self.name.clone(), file: file.to_owned(), why };
        match &self.place {
            Place::Folder => f(&mut limited(File::open(at).map_err(fail)?)),
            Place::Memory(files) => f(&mut files.get(at).unwrap_or_default()),
            Place::ZipFile(path) => {
                let bytes = io::BufReader::with_capacity(1 << 16, File::open(path).map_err(fail)?);
                let mut archive = ZipArchive::new(bytes).map_err(|e| fail(e.into()))?;
                f(&mut limited(archive.by_name(at).map_err(|e| fail(e.into()))?))
            }
            Place::ZipBytes(bytes) => {
                let mut archive = ZipArchive::new(Cursor::new(*bytes)).map_err(|e| fail(e.into()))?;
                f(&mut limited(archive.by_name(at).map_err(|e| fail(e.into()))?))
            }
        }
        .map(Some)
    }
}

/// Stops a file that unpacks without end.
struct Limited<R> {
    inner: R,
    left: u64,
}

const fn limited<R: Read>(inner: R) -> Limited<R> {
    Limited { inner, left: MOST_BYTES }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.left = self
            .left
            .checked_sub(n as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to more than 4 GiB"))?;
        Ok(n)
    }
}

fn zip_entries(name: &str, bytes: impl Read + Seek) -> Result<Vec<String>, LoadError> {
    match ZipArchive::new(bytes) {
        Ok(archive) => Ok(archive.file_names().map(ToOwned::to_owned).collect()),
        Err(zip::result::ZipError::Io(why)) => Err(LoadError::Open { path: name.to_owned(), why }),
        Err(why) => Err(LoadError::NotAZip { path: name.to_owned(), why: why.to_string() }),
    }
}

/// The files of a folder and of the folders right in it.
fn folder_entries(path: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in path.read_dir()? {
        let inner = entry?.path();
        if inner.is_dir() {
            for entry in inner.read_dir()? {
                found.push(entry?.path().display().to_string());
            }
        } else {
            found.push(inner.display().to_string());
        }
    }
    Ok(found)
}

/// The files of the specification among all the entries: those of the folder that has most of
/// them, the least deep one where several have.
fn feed_files(mut entries: Vec<String>) -> Vec<(&'static str, String)> {
    entries.sort();
    let mut folders: Vec<(String, Vec<(&'static str, String)>)> = Vec::new();
    for entry in entries {
        let (folder, file) = entry.rsplit_once(['/', '\\']).unwrap_or(("", &entry));
        if folder.split(['/', '\\']).any(|part| part == "__MACOSX") {
            continue;
        }
        let Some(known) = KNOWN.into_iter().find(|known| known.eq_ignore_ascii_case(file)) else { continue };
        match folders.iter_mut().find(|(name, _)| name == folder) {
            Some((_, files)) if files.iter().any(|(have, _)| *have == known) => {}
            Some((_, files)) => files.push((known, entry.clone())),
            None => folders.push((folder.to_owned(), vec![(known, entry.clone())])),
        }
    }
    folders
        .into_iter()
        .max_by_key(|(folder, files)| (files.len(), std::cmp::Reverse(folder.len())))
        .map(|(_, files)| files)
        .unwrap_or_default()
}
