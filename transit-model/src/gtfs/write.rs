//! A feed as files in memory: written by whoever generates a city, read back by the loader, served
//! as a zip. It knows CSV and zip, not what the columns mean.

use std::fmt::Write as _;
use std::io::{self, Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The files of a feed, in the order they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtfsFiles {
    files: Vec<(String, Vec<u8>)>,
}

impl GtfsFiles {
    /// No files yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { files: Vec::new() }
    }

    /// Adds a file, or replaces the one of that name.
    pub fn set(&mut self, name: &str, bytes: impl Into<Vec<u8>>) {
        match self.files.iter_mut().find(|(have, _)| have == name) {
            Some((_, old)) => *old = bytes.into(),
            None => self.files.push((name.to_owned(), bytes.into())),
        }
    }

    /// The same with a file more, for feeds written in one expression.
    #[must_use]
    pub fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.set(name, bytes);
        self
    }

    /// The same without a file.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.files.retain(|(have, _)| have != name);
        self
    }

    /// Adds a table: a header, and rows of as many fields, quoted where they need it.
    pub fn set_table<R, F>(&mut self, name: &str, header: &[&str], rows: R)
    where
        R: IntoIterator,
        R::Item: IntoIterator<Item = F>,
        F: AsRef<str>,
    {
        let mut text = String::new();
        write_row(&mut text, header);
        for row in rows {
            write_row(&mut text, row);
        }
        self.set(name, text);
    }

    /// The bytes of a file.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|(have, _)| have == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// Every file by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// The whole feed as a zip. The same files give the same bytes, on any day.
    ///
    /// # Errors
    /// When a file cannot be packed: a name or a size zip has no room for.
    pub fn to_zip_bytes(&self) -> io::Result<Vec<u8>> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(DateTime::default());
        for (name, bytes) in self.iter() {
            zip.start_file(name, options)?;
            zip.write_all(bytes)?;
        }
        Ok(zip.finish()?.into_inner())
    }
}

impl<N: Into<String>, B: Into<Vec<u8>>> FromIterator<(N, B)> for GtfsFiles {
    fn from_iter<T: IntoIterator<Item = (N, B)>>(files: T) -> Self {
        Self { files: files.into_iter().map(|(name, bytes)| (name.into(), bytes.into())).collect() }
    }
}

fn write_row<F: AsRef<str>>(text: &mut String, row: impl IntoIterator<Item = F>) {
    for (i, field) in row.into_iter().enumerate() {
        let field = field.as_ref();
        if i > 0 {
            text.push(',');
        }
        if field.contains(['"', ',', '\n', '\r']) || field.trim() != field {
            // Writing to a String cannot fail.
            let _ = write!(text, "\"{}\"", field.replace('"', "\"\""));
        } else {
            text.push_str(field);
        }
    }
    text.push('\n');
}
