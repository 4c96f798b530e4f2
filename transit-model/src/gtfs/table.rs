//! One file of a feed as rows with named columns: byte-order marks, line ends, quotes, spaces and
//! bad UTF-8 are dealt with here and nowhere else. Rows are borrowed: nothing is allocated per row.

use std::borrow::Cow;
use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder, Terminator};
use rustc_hash::FxHashMap;

use super::LoadError;
use super::report::{Action, Fault, Finding, Report};
use crate::time::{ServiceDate, ServiceTime};

/// A quoted field over more lines than this was never closed.
const MOST_LINES_OF_A_ROW: u64 = 50;

/// A column of a table: its name, and where it stands if the file has it.
#[derive(Clone, Copy)]
pub(super) struct Col {
    pub(super) name: &'static str,
    at: Option<usize>,
}

impl Col {
    /// Whether the file has this column.
    pub(super) const fn exists(self) -> bool {
        self.at.is_some()
    }
}

/// A file being read row by row.
pub(super) struct Table<'a> {
    pub(super) file: &'static str,
    path: &'a str,
    reader: csv::Reader<Lines<&'a mut dyn Read>>,
    columns: Vec<String>,
    row: ByteRecord,
    line: u32,
}

impl<'a> Table<'a> {
    /// Reads the header. `path` names the feed in errors.
    pub(super) fn open(path: &'a str, file: &'static str, bytes: &'a mut dyn Read) -> Result<Self, LoadError> {
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(1 << 16)
            .from_reader(Lines::new(bytes));
        let mut table = Self { file, path, reader, columns: Vec::new(), row: ByteRecord::new(), line: 1 };
        table.read()?;
        table.columns = table
            .row
            .iter()
            .map(|name| {
                let name = String::from_utf8_lossy(name);
                name.trim_matches(['\u{feff}', ' ', '\t', '"']).to_ascii_lowercase()
            })
            .collect();
        Ok(table)
    }

    /// A column that may be missing.
    pub(super) fn col(&self, name: &'static str) -> Col {
        Col { name, at: self.columns.iter().position(|c| c == name) }
    }

    /// A column the table means nothing without.
    pub(super) fn need(&self, name: &'static str) -> Result<Col, LoadError> {
        let col = self.col(name);
        if col.exists() {
            return Ok(col);
        }
        Err(LoadError::MissingColumn {
            path: self.path.to_owned(),
            file: self.file.to_owned(),
            column: name.to_owned(),
            header: self.columns.join(",").chars().take(200).collect(),
        })
    }

    /// Goes to the next row; `false` at the end of the file.
    pub(super) fn next(&mut self, report: &mut Report) -> Result<bool, LoadError> {
        loop {
            if !self.read()? {
                return Ok(false);
            }
            if self.row.iter().all(|f| f.trim_ascii().is_empty()) {
                continue;
            }
            if self.row.len() != self.columns.len() {
                let (has, wants) = (self.row.len(), self.columns.len());
                // A comma at the end of the line is common and means nothing.
                let harmless = has == wants + 1 && self.row.get(wants).is_some_and(<[u8]>::is_empty);
                if !harmless {
                    let detail = format!("{has} fields, the header has {wants}");
                    report.add(self.finding(Fault::RaggedRow, Action::FieldsMatched).detail(detail));
                }
            }
            return Ok(true);
        }
    }

    /// The line of the row, as an editor counts.
    pub(super) const fn line(&self) -> u32 {
        self.line
    }

    /// What stands in a column; empty where the row or the file has no such field.
    pub(super) fn get(&self, col: Col) -> &[u8] {
        let field = col.at.and_then(|at| self.row.get(at)).unwrap_or_default().trim_ascii();
        // A space before the quote makes the reader take the quotes for text.
        match field {
            [b'"', inner @ .., b'"'] => inner.trim_ascii(),
            _ => field,
        }
    }

    /// The same as text; bytes that are not UTF-8 are replaced and reported.
    pub(super) fn text(&self, col: Col, report: &mut Report) -> Box<str> {
        let text = String::from_utf8_lossy(self.get(col));
        if matches!(text, Cow::Owned(_)) {
            report.add(self.fault(Fault::NotUtf8, col, Action::Replaced));
        }
        text.into()
    }

    /// A number; anything else is reported and taken as missing.
    pub(super) fn number<T: std::str::FromStr>(&self, col: Col, report: &mut Report, action: Action) -> Option<T> {
        self.read_as(col, report, Fault::BadNumber, action, |field| std::str::from_utf8(field).ok()?.parse().ok())
    }

    /// A time; anything else is reported and taken as missing.
    pub(super) fn time(&self, col: Col, report: &mut Report, action: Action) -> Option<ServiceTime> {
        self.read_as(col, report, Fault::BadTime, action, ServiceTime::from_ascii)
    }

    /// A date; anything else is reported and taken as missing.
    pub(super) fn date(&self, col: Col, report: &mut Report, action: Action) -> Option<ServiceDate> {
        self.read_as(col, report, Fault::BadDate, action, |field| std::str::from_utf8(field).ok()?.parse().ok())
    }

    fn read_as<T>(
        &self,
        col: Col,
        report: &mut Report,
        what: Fault,
        action: Action,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Option<T> {
        let field = self.get(col);
        if field.is_empty() {
            return None;
        }
        let value = read(field);
        if value.is_none() {
            report.add(self.fault(what, col, action));
        }
        value
    }

    /// A finding about a field of this row.
    pub(super) fn fault(&self, what: Fault, col: Col, action: Action) -> Finding {
        self.finding(what, action).value(col.name, &String::from_utf8_lossy(self.get(col)))
    }

    fn finding(&self, what: Fault, action: Action) -> Finding {
        Finding::new(what, self.file, action).line(self.line)
    }

    fn read(&mut self) -> Result<bool, LoadError> {
        let before = self.reader.position().line();
        let more = self.reader.read_byte_record(&mut self.row).map_err(|e| {
            let why = match e.into_kind() {
                csv::ErrorKind::Io(why) => why,
                other => io::Error::other(format!("{other:?}")),
            };
            LoadError::Read { path: self.path.to_owned(), file: self.file.to_owned(), why }
        })?;
        // `Lines` gives every row a line feed of its own, so the row ended one line before this.
        let after = self.reader.position().line();
        let inside =
            if after > before + 1 { self.row.as_slice().iter().filter(|b| **b == b'\n').count() as u64 } else { 0 };
        // A quote still open at the end of the file has swallowed even that one.
        self.line = u32::try_from(after.saturating_sub(1 + inside).max(before)).unwrap_or(u32::MAX);
        if inside > MOST_LINES_OF_A_ROW {
            return Err(LoadError::OpenQuote {
                path: self.path.to_owned(),
                file: self.file.to_owned(),
                line: self.line,
            });
        }
        Ok(more)
    }
}

/// Names of a file and the positions they stand for.
#[derive(Default)]
pub(super) struct Names(FxHashMap<Box<[u8]>, u32>);

impl Names {
    /// The position of a name.
    pub(super) fn get(&self, name: &[u8]) -> Option<u32> {
        self.0.get(name).copied()
    }

    /// Gives a name a position, unless it has one.
    pub(super) fn insert(&mut self, name: &[u8], at: usize) {
        self.0.entry(name.into()).or_insert_with(|| u32::try_from(at).unwrap_or(u32::MAX));
    }

    /// The position of a name, given now if it had none.
    pub(super) fn intern(&mut self, name: &[u8]) -> u32 {
        if let Some(at) = self.get(name) {
            return at;
        }
        let at = self.0.len();
        self.insert(name, at);
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Turns `\r\n` and `\r` into `\n` and ends the last line, so that lines can be counted.
struct Lines<R> {
    inner: R,
    after_cr: bool,
    ended: bool,
    last: u8,
}

impl<R: Read> Lines<R> {
    const fn new(inner: R) -> Self {
        Self { inner, after_cr: false, ended: false, last: b'\n' }
    }

    /// Rewrites the bytes in place and gives how many are left.
    fn rewrite(&mut self, bytes: &mut [u8]) -> usize {
        if !self.after_cr && !bytes.contains(&b'\r') {
            return bytes.len();
        }
        let cells = std::cell::Cell::from_mut(bytes).as_slice_of_cells();
        let mut out = cells.iter();
        let mut kept = 0;
        for byte in cells {
            let b = byte.get();
            if b == b'\n' && std::mem::take(&mut self.after_cr) {
                continue;
            }
            self.after_cr = b == b'\r';
            if let Some(slot) = out.next() {
                slot.set(if self.after_cr { b'\n' } else { b });
                kept += 1;
            }
        }
        kept
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let n = self.inner.read(buf)?;
            if n == 0 {
                self.ended = true;
                if self.last != b'\n' {
                    if let Some(first) = buf.first_mut() {
                        *first = b'\n';
                    }
                    return Ok(1);
                }
                break;
            }
            let Some(bytes) = buf.get_mut(..n) else { break };
            let kept = self.rewrite(bytes);
            if kept > 0 {
                self.last = buf.get(kept - 1).copied().unwrap_or(b'\n');
                return Ok(kept);
            }
        }
        Ok(0)
    }
}
