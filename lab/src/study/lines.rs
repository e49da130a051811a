//! Results as JSON lines: added to unit by unit, so that an interrupted study goes on.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anomalog::explain::{Explain, FileError, cannot};

use super::plan::Plan;
use super::records::{Line, Record, SeriesFacts};

/// Changes when lines do.
const FORMAT: u32 = 3;

/// Why lines cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinesError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A line is none.
    #[error("line {number} of `{}` is no result of a study", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        number: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Results of another plan or version.
    #[error("`{}` holds results of another study", .path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
}

impl Explain for LinesError {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::File(error) => Some(error),
            Self::Damaged { .. } | Self::Other { .. } => None,
        }
    }

    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::File(error) => error.hint(),
            Self::Damaged { .. } => Some("remove the line and those after it, or the file".into()),
            Self::Other { .. } => {
                Some("name a new file with `--results`, or remove this one".into())
            }
        }
    }
}

/// The lines of a study, in memory and, if there is one, in a file.
#[derive(Debug)]
pub(crate) struct StudyLines {
    lines: Vec<Line>,
    path: Option<PathBuf>,
}

impl StudyLines {
    /// Reads the lines of a file, which need not exist; without a file they are kept in memory.
    ///
    /// # Errors
    /// When the file cannot be read, or holds results of another plan or version.
    pub(crate) fn open(path: Option<&Path>, plan: &Plan) -> Result<Self, LinesError> {
        let mut opened = Self {
            lines: Vec::new(),
            path: path.map(Path::to_owned),
        };
        let Some(path) = path else {
            return Ok(opened);
        };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(opened),
            Err(error) => return Err(cannot("read", path)(error).into()),
        };
        // What was being written when the study was interrupted has no end of line.
        let complete = text.rfind('\n').map_or("", |end| &text[..=end]);
        for (number, line) in complete.lines().enumerate() {
            let line = serde_json::from_str(line).map_err(|source| LinesError::Damaged {
                path: path.to_owned(),
                number: number + 1,
                source,
            })?;
            opened.lines.push(line);
        }
        opened.forget_unfinished();
        let is_ours = match opened.lines.first() {
            None => true,
            Some(Line::Study {
                format,
                version,
                plan: found,
                ..
            }) => *format == FORMAT && version == env!("CARGO_PKG_VERSION") && found == plan,
            Some(_) => false,
        };
        if !is_ours {
            let path = path.to_owned();
            return Err(LinesError::Other { path });
        }
        opened.rewrite()?;
        Ok(opened)
    }

    #[cfg(test)]
    pub(super) fn in_memory() -> Self {
        Self {
            lines: Vec::new(),
            path: None,
        }
    }

    /// Results of a unit without its last line are of no use.
    fn forget_unfinished(&mut self) {
        let is_result = |line: &Line| {
            matches!(
                line,
                Line::Result(_) | Line::Skipped { .. } | Line::LeftOut { .. }
            )
        };
        while self.lines.last().is_some_and(is_result) {
            self.lines.pop();
        }
    }

    /// Begins, unless begun.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn begin(&mut self, plan: &Plan, absent: &[String]) -> Result<(), LinesError> {
        if !self.lines.is_empty() {
            return Ok(());
        }
        self.add(vec![Line::Study {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            machine: machine(),
            plan: plan.clone(),
            absent: absent.to_vec(),
        }])
    }

    /// Whether all is done.
    #[must_use]
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.lines.last(), Some(Line::Complete))
    }

    pub(super) fn has_series(&self) -> bool {
        self.all().any(|line| matches!(line, Line::Series(_)))
    }

    pub(super) fn is_done(&self, name: &str) -> bool {
        self.all()
            .any(|line| matches!(line, Line::Done { unit, .. } if unit == name))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record> {
        self.all().filter_map(|line| match line {
            Line::Result(record) => Some(record.as_ref()),
            _ => None,
        })
    }

    pub(super) fn series(&self) -> impl Iterator<Item = &SeriesFacts> {
        self.all().filter_map(|line| match line {
            Line::Series(facts) => Some(facts),
            _ => None,
        })
    }

    pub(super) fn complete(&mut self) -> Result<(), LinesError> {
        if !self.is_complete() {
            self.add(vec![Line::Complete])?;
        }
        Ok(())
    }

    /// Adds lines at the end, of the file too.
    pub(super) fn add(&mut self, lines: Vec<Line>) -> Result<(), LinesError> {
        if let Some(path) = &self.path {
            let text = encode(&lines);
            let mut options = File::options();
            let written = options
                .create(true)
                .append(true)
                .open(path)
                .and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(cannot("write", path))?;
        }
        self.lines.extend(lines);
        Ok(())
    }

    /// Writes what was read, without what was unfinished.
    fn rewrite(&self) -> Result<(), LinesError> {
        match &self.path {
            Some(path) => Ok(fs::write(path, encode(&self.lines)).map_err(cannot("write", path))?),
            None => Ok(()),
        }
    }
}

fn encode(lines: &[Line]) -> String {
    let encode = |line: &Line| serde_json::to_string(line).expect("a line has a JSON form");
    lines.iter().map(|line| encode(line) + "\n").collect()
}

/// Cores, and on Linux the processor.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    match model {
        Some(model) => format!("{cores} cores of {model}"),
        None => format!("{cores} cores"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::made_up;

    fn done(unit: &str) -> Line {
        Line::Done {
            unit: unit.to_owned(),
            seconds: 1.5,
        }
    }

    #[test]
    fn a_study_goes_on_after_the_last_unit_that_was_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.jsonl");
        let plan = Plan::quick();
        let mut lines = StudyLines::open(Some(&path), &plan).unwrap();
        lines.begin(&plan, &["nab".to_owned()]).unwrap();
        lines.add(vec![made_up::series("a", "KPI")]).unwrap();
        let result = || made_up::result("a", ("gru", "zero-shot"), 0.25, 1.0);
        lines.add(vec![result(), done("first")]).unwrap();
        lines.add(vec![result()]).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"line\":\"resu");
        fs::write(&path, text).unwrap();
        let again = StudyLines::open(Some(&path), &plan).unwrap();
        assert!(again.is_done("first") && again.has_series() && !again.is_complete());
        let records: Vec<&Record> = again.records().collect();
        assert_eq!(records.len(), 1);
        let result = &records[0].result;
        assert_eq!(result.measures.vus_pr.to_bits(), 0.25_f64.to_bits());
        assert_eq!(result.measures.alarms.events, None);
        let other = StudyLines::open(Some(&path), &Plan::full());
        assert!(matches!(other, Err(LinesError::Other { .. })));
    }
}
