//! The faults of detectors, and of requests for them.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::manifest::FORMAT_VERSION;
use super::names::BASELINE;

/// Why a detector cannot be read, found or used.
#[derive(Debug, Error)]
pub enum DetectorError {
    /// A file or folder of the detector could not be read or written.
    #[error("cannot access `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The manifest is not valid JSON of the expected form.
    #[error("`{}` is not a detector manifest", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The cause, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// The manifest is well-formed but contradicts itself or its folder.
    #[error("`{}` cannot be used: {defect}", path.display())]
    Inconsistent {
        /// The manifest.
        path: PathBuf,
        /// The defect that was found.
        defect: String,
    },
    /// A newer anomalog wrote the detector.
    #[error(
        "`{}` has format version {found}, this build reads up to {FORMAT_VERSION}",
        path.display()
    )]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// An older anomalog wrote the detector.
    #[error(
        "`{}` has format version {found}, this build needs {FORMAT_VERSION}",
        path.display()
    )]
    OlderFormat {
        /// The manifest.
        path: PathBuf,
        /// Its format version.
        found: u32,
    },
    /// The weights are not those the manifest was written for.
    #[error("`{}` is damaged: its SHA-256 is {found}, the manifest says {expected}", path.display())]
    Digest {
        /// The weights.
        path: PathBuf,
        /// Digest in the manifest.
        expected: String,
        /// Digest of the file.
        found: String,
    },
    /// The weights have not the names or shapes that the manifest implies.
    #[error("`{}` does not hold the weights of its manifest", path.display())]
    Weights {
        /// The weights.
        path: PathBuf,
        /// The cause, with names and shapes.
        #[source]
        source: candle_core::Error,
    },
    /// A reference is neither `name` nor `name@version`.
    #[error("`{0}` is not a detector reference, expected `name` or `name@version`")]
    Reference(String),
    /// A step is asked of a detector that has its own.
    #[error("detector `{name}` serves windows of one length only, that it was trained on")]
    FixedStep {
        /// The detector.
        name: String,
    },
    /// No detector has the name.
    #[error("there is no detector `{name}`; {}", describe(available))]
    Unknown {
        /// The reference asked for.
        name: String,
        /// The detectors that exist, `name(metrics)`.
        available: Vec<String>,
    },
    /// No detector has the architecture and metrics asked for.
    #[error("there is no {wanted} for ({}); {}", metrics.join(", "), describe(available))]
    NoMatch {
        /// `lstm detector` or the like.
        wanted: String,
        /// The metrics given.
        metrics: Vec<String>,
        /// The detectors that exist, `name(metrics)`.
        available: Vec<String>,
    },
    /// A shipped detector is asked to be changed.
    #[error("detector `{name}` came with the program, and has the one version")]
    Shipped {
        /// The detector.
        name: String,
    },
    /// There is no version to go back to.
    #[error("there is no version before `{name}@{current}`")]
    NothingBefore {
        /// The detector.
        name: String,
        /// Its current version, the first.
        current: u32,
    },
    /// Several detectors fit equally well.
    #[error("several detectors take these metrics: {}", names.join(", "))]
    Ambiguous {
        /// Their names.
        names: Vec<String>,
    },
    /// The detector is of another architecture than the function.
    #[error("detector `{name}` is a {found}, but the function asks for a {expected}")]
    Architecture {
        /// The detector.
        name: String,
        /// Its architecture.
        found: String,
        /// The function's.
        expected: String,
    },
    /// A function that asks for the baseline is given something else.
    #[error("the function asks for `baseline`, which has no versions, found `{found}`")]
    NotBaseline {
        /// The reference that was given.
        found: String,
    },
    /// The metrics given are not those of the detector, in its order.
    #[error("detector `{name}` takes ({}), found ({})", expected.join(", "), found.join(", "))]
    Metrics {
        /// The detector.
        name: String,
        /// Its metrics.
        expected: Vec<String>,
        /// The metrics given.
        found: Vec<String>,
    },
}

impl DetectorError {
    /// The hint that goes with the message.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Io { .. } => return None,
            Self::Manifest { .. }
            | Self::Inconsistent { .. }
            | Self::Digest { .. }
            | Self::Weights { .. } => {
                "restore the detector's folder from a copy, or train it again".to_owned()
            }
            Self::OlderFormat { .. } => "train it again".to_owned(),
            Self::NewerFormat { .. } => "use a newer anomalog, or train it again".to_owned(),
            Self::Reference(_) => "for example 'lstm', 'lstm@3', or, for windows of 5 minutes, \
                                   'pretrained-lstm:5m'"
                .to_owned(),
            Self::FixedStep { name } => {
                format!("write '{name}', or use a shipped detector such as 'pretrained-lstm:5m'")
            }
            Self::Unknown { name, .. } if name == BASELINE => {
                "in SQL, `baseline_score` and `baseline_detect` need no detector".to_owned()
            }
            Self::Unknown { .. } | Self::Shipped { .. } | Self::NothingBefore { .. } => {
                "`anomalog detectors list` shows them".to_owned()
            }
            Self::NoMatch { metrics, .. } => {
                format!(
                    "train one: `anomalog train --metrics {}`",
                    metrics.join(",")
                )
            }
            Self::Ambiguous { .. } => {
                "name one as the first argument, for example 'lstm@1'".to_owned()
            }
            Self::Architecture { .. } => {
                "`anomaly_score` takes whatever architecture a detector has".to_owned()
            }
            Self::NotBaseline { .. } => "leave it out, or, for windows of 5 minutes, write \
                                         'baseline:5m'; `anomaly_score` takes any detector"
                .to_owned(),
            Self::Metrics { expected, .. } => {
                format!(
                    "give the metrics as (window_start, {})",
                    expected.join(", ")
                )
            }
        };
        Some(hint)
    }
}

fn describe(available: &[String]) -> String {
    if available.is_empty() {
        "no detectors exist yet".to_owned()
    } else {
        format!("there are {}", available.join(", "))
    }
}
