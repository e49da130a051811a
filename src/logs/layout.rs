//! How the lines of one file are laid out, and the reading of one line by it.

use super::access_layout::AccessLayout;
use super::access_line;
use super::column::LogColumn;
use super::cri;
use super::delimited_line::Header;
use super::fields::FieldIndex;
use super::json_line;
use super::line_format::LineFormat;
use super::ltsv_line;
use super::prefix;
use super::request::{Reject, Request};
use super::timestamp::ClfReader;
use super::w3c_line::W3cHeader;
use super::w3c_said::Said;

/// The key of the line in the records of Docker's `json-file`.
const DOCKER_KEY: &str = "log";
/// How many bytes of a longer line one record has (`defaultBufSize` in `daemon/logger/copier.go`);
/// the last record ends with a line end.
const DOCKER_PIECE: usize = 16 << 10;
/// How many more bytes a record has whose first and last character are cut: three bytes of each
/// become the replacement character, of three bytes.
const DOCKER_REPLACED: usize = 12;

/// The layout of the lines of one file.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// How many prefixes collectors wrote in front of the lines, at most.
    pub(super) prefixes: u8,
    pub(super) lines: LineLayout,
}

/// The layout of lines behind what a collector wrote in front of them.
#[derive(Debug, Clone)]
pub(super) enum LineLayout {
    /// Lines of the common or combined format, and what is around their fields.
    Access(AccessLayout),
    /// Lines of a format with a name or one that a user says.
    Fields(LineFormat),
    /// JSON lines.
    Json(FieldIndex),
    /// JSON lines of a collector, one field of which is the line of the log.
    Wrapped(Wrapped),
    /// Labelled values.
    Ltsv(FieldIndex),
    /// The W3C extended format; with the first line that names fields.
    W3c(W3cHeader),
    /// Delimited; the first line with text is the header.
    Delimited(Header),
}

/// A line within a JSON object.
#[derive(Debug, Clone)]
pub(super) struct Wrapped {
    /// The key of the field.
    pub(super) key: String,
    /// Finds the field.
    pub(super) index: FieldIndex,
    pub(super) inner: Box<Layout>,
}

impl Wrapped {
    /// Lines in the field of this key.
    pub(super) fn new(key: String, inner: Layout) -> Self {
        Self {
            index: FieldIndex::only(LogColumn::Request, &key),
            key,
            inner: Box::new(inner),
        }
    }
}

impl LineLayout {
    /// Whether the lines are JSON, in which a backslash must itself be escaped.
    pub(super) const fn is_json(&self) -> bool {
        matches!(self, Self::Json(_) | Self::Wrapped(_))
    }

    /// What finds the fields of the line by their names, if they have some.
    pub(super) const fn index(&self) -> Option<&FieldIndex> {
        match self {
            Self::Json(index) | Self::Ltsv(index) => Some(index),
            Self::W3c(header) => Some(header.index()),
            Self::Delimited(header) => Some(header.index()),
            Self::Access(_) | Self::Fields(_) | Self::Wrapped(_) => None,
        }
    }
}

/// Reads single lines; keeps what is worth keeping between them.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    clock: ClfReader,
    path: String,
    /// The header that a line of the block has named.
    header: Option<W3cHeader>,
    /// What lines of the block have said of the times of others.
    said: Option<Said>,
    /// The line within a JSON object.
    unwrapped: String,
}

impl LineReader {
    /// Takes in a line that is none of a request: the header of those that follow.
    pub(super) fn take_header(&mut self, line: &str, layout: &Layout) -> bool {
        let LineLayout::W3c(header) = &layout.lines else {
            return false;
        };
        self.said.get_or_insert(header.said()).take(line);
        if let Some(renamed) = header.renamed(line) {
            self.header = Some(renamed);
        }
        line.starts_with('#')
    }

    /// Reads one line.
    pub(super) fn read<'a>(
        &'a mut self,
        line: &'a str,
        layout: &Layout,
    ) -> Result<Request<'a>, Reject> {
        let line = behind_prefix(line, layout)?;
        let clock = &mut self.clock;
        let path = &mut self.path;
        if let LineLayout::W3c(first) = &layout.lines {
            let said = self.said.get_or_insert(first.said());
            return self.header.as_ref().unwrap_or(first).read(line, said);
        }
        let LineLayout::Wrapped(wrapped) = &layout.lines else {
            return read_as(line, &layout.lines, clock, path);
        };
        let text = json_line::values(line, &wrapped.index, path)?
            .text(LogColumn::Request)
            .ok_or(Reject::NoLine)?;
        let is_cut = (DOCKER_PIECE..=DOCKER_PIECE + DOCKER_REPLACED).contains(&text.len());
        if is_cut && wrapped.key == DOCKER_KEY && !text.ends_with('\n') {
            return Err(Reject::Piece);
        }
        self.unwrapped.clear();
        self.unwrapped.push_str(text.trim_end_matches(['\r', '\n']));
        let inner = behind_prefix(&self.unwrapped, &wrapped.inner)?;
        read_as(inner, &wrapped.inner.lines, clock, path)
    }
}

/// The line behind what a collector wrote in front of it.
fn behind_prefix<'a>(line: &'a str, layout: &Layout) -> Result<&'a str, Reject> {
    if layout.prefixes == 0 {
        return Ok(line);
    }
    if cri::is_piece(line) {
        return Err(Reject::Piece);
    }
    Ok(prefix::strip(line, layout.prefixes).unwrap_or(line))
}

fn read_as<'a>(
    line: &'a str,
    layout: &LineLayout,
    clock: &mut ClfReader,
    path: &mut String,
) -> Result<Request<'a>, Reject> {
    match layout {
        LineLayout::Access(layout) => access_line::read(line, layout, clock),
        LineLayout::Fields(format) => format.read(line, clock),
        LineLayout::Json(index) => json_line::read(line, index, path),
        LineLayout::Ltsv(index) => ltsv_line::read(line, index),
        LineLayout::Delimited(header) => header.read(line),
        // Directives stand outside of records, and a line within a line within a line is none.
        LineLayout::W3c(_) | LineLayout::Wrapped(_) => Err(Reject::NoLine),
    }
}
