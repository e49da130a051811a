//! What the training of each architecture begins with, and what its detector is called.

use std::borrow::Cow;
use std::sync::Arc;

use anomalog_engine::detector::{
    Detector, DetectorError, DetectorStore, Objective, is_valid_name, shipped,
};
use anomalog_engine::network::Architecture;

use super::goal::Goal;
use crate::explain::Explain;

/// What is asked of training.
#[derive(Debug, Clone, Copy)]
pub struct TrainingRequest<'a> {
    /// What detectors learn.
    pub goal: Goal,
    /// The architectures; if empty, that of the detector to begin with, of a gate that of the shipped
    /// detector that decides, or all of them.
    pub architectures: &'a [Architecture],
    /// The detector to begin with.
    pub from: Option<&'a str>,
    /// Width of the recurrent state, if it is said.
    pub hidden: Option<u32>,
    /// The metrics to learn.
    pub metrics: &'a [String],
    /// The name of the detectors, if it is said.
    pub name: Option<&'a str>,
}

/// What the training of one architecture begins with.
#[derive(Debug)]
pub struct Beginning {
    /// The architecture.
    pub architecture: Architecture,
    /// The detector whose weights it takes; without one, weights are new.
    pub source: Option<Arc<Detector>>,
}

/// Why training cannot begin as it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum BeginningError {
    /// A name that cannot be a folder.
    #[error("`{found}` cannot name a detector: use ASCII letters, digits, `_`, `-` and `.`")]
    DetectorName {
        /// What was given.
        found: String,
    },
    /// A name that a detector already has that comes with the program.
    #[error("`{found}` is the name of a detector that comes with the program")]
    ShippedName {
        /// The name.
        found: String,
    },
    /// Options that do not go with the detector that training begins with.
    #[error("`{detector}` {expected}, which does not go with `{found}`")]
    Mismatch {
        /// The detector of `--from`.
        detector: String,
        /// What it is.
        expected: String,
        /// The option that asks for something else.
        found: String,
    },
    /// The detector to begin with cannot be read.
    #[error(transparent)]
    Detector(#[from] DetectorError),
}

impl Explain for BeginningError {
    fn hint(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::DetectorName { .. } => None,
            Self::ShippedName { .. } => Some("choose another with `--name`".into()),
            Self::Mismatch { .. } => Some(
                "training goes on with a detector as it is: leave the option out, or train without \
                 `--from`"
                    .into(),
            ),
            Self::Detector(error) => error.hint().map(Cow::Owned),
        }
    }
}

/// What each architecture asked for begins with: new weights, or those of a named detector.
///
/// # Errors
/// When a detector cannot be read, or what is asked for does not go with it.
pub fn beginnings(
    request: TrainingRequest<'_>,
    store: &DetectorStore,
) -> Result<Vec<Beginning>, BeginningError> {
    let asked = || request.architectures.iter().copied();
    let mut beginnings = Vec::new();
    match request.from {
        Some(from) => {
            let source = store.get(&from.parse()?)?;
            let architecture = source.manifest().architecture;
            if let Some(other) = asked().find(|asked| *asked != architecture) {
                let expected = format!("has the architecture {architecture}");
                return Err(mismatch(&source, expected, format!("--arch {other}")));
            }
            beginnings.push(Beginning {
                architecture,
                source: Some(source),
            });
        }
        None => {
            let unasked = match request.goal {
                _ if !request.architectures.is_empty() => Vec::new(),
                Goal::Forecast => Architecture::ALL.to_vec(),
                Goal::Gate => vec![shipped::best()?],
            };
            for architecture in asked().chain(unasked) {
                let source = match request.goal {
                    Goal::Forecast => None,
                    Goal::Gate => Some(shipped::load(architecture)?),
                };
                beginnings.push(Beginning {
                    architecture,
                    source,
                });
            }
        }
    }
    for source in beginnings.iter().filter_map(|one| one.source.as_ref()) {
        check(source, request)?;
    }
    Ok(beginnings)
}

/// Refuses a detector that what is asked for does not go with.
fn check(source: &Detector, request: TrainingRequest<'_>) -> Result<(), BeginningError> {
    let manifest = source.manifest();
    let fits = match request.goal {
        Goal::Forecast => matches!(manifest.objective, Objective::Forecast(_)),
        Goal::Gate => matches!(manifest.objective, Objective::Gate(_)),
    };
    if !fits {
        let expected = format!("has the objective {}", manifest.objective.name());
        let found = format!("--objective {}", request.goal.name());
        return Err(mismatch(source, expected, found));
    }
    if let Some(hidden) = request
        .hidden
        .filter(|hidden| *hidden as usize != manifest.hidden_size)
    {
        let expected = format!("has a state of width {}", manifest.hidden_size);
        return Err(mismatch(source, expected, format!("--hidden {hidden}")));
    }
    if request.goal == Goal::Gate {
        return Ok(());
    }
    // What learned one metric goes on with each of several by itself.
    let learned = manifest.learned_metrics();
    if learned > 1 && request.metrics.len() != learned {
        let expected = format!("learned {learned} metrics");
        let found = format!("--metrics {}", request.metrics.join(","));
        return Err(mismatch(source, expected, found));
    }
    Ok(())
}

fn mismatch(source: &Detector, expected: String, found: String) -> BeginningError {
    BeginningError::Mismatch {
        detector: source.manifest().id(),
        expected,
        found,
    }
}

/// One name per architecture: the architecture's, that of the detector begun with, or the one
/// given.
///
/// # Errors
/// When the name cannot be one, or a shipped detector has it.
pub fn names(
    request: TrainingRequest<'_>,
    beginnings: &[Beginning],
) -> Result<Vec<String>, BeginningError> {
    if let Some(name) = request.name.filter(|name| !is_valid_name(name)) {
        return Err(BeginningError::DetectorName {
            found: name.to_owned(),
        });
    }
    let name = |beginning: &Beginning| {
        let architecture = beginning.architecture.to_string();
        let source = beginning
            .source
            .as_ref()
            .map(|source| &source.manifest().name);
        match (request.name, source, beginnings.len()) {
            (Some(name), _, 1) => name.to_owned(),
            (Some(name), _, _) => format!("{name}_{architecture}"),
            (None, Some(source), _) if !shipped::is_shipped(source) => source.clone(),
            (None, _, _) => architecture,
        }
    };
    let names: Vec<String> = beginnings.iter().map(name).collect();
    match names.iter().find(|name| shipped::is_shipped(name)) {
        Some(name) => Err(BeginningError::ShippedName {
            found: name.clone(),
        }),
        None => Ok(names),
    }
}
