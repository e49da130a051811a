//! `anomalog init`: writes a job file.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{Fault, Result};
use super::settings::Settings;
use crate::cli::InitArgs;
use crate::explain::cannot;
use crate::job::config::template::job_file;
use crate::warehouse::publish::file_beside;

/// The job file that was written.
#[derive(Debug, Serialize)]
struct JobWritten {
    job: PathBuf,
}

impl fmt::Display for JobWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = self.job.display();
        write!(
            f,
            "wrote `{job}`: read it, then try `anomalog run --job {job} --check`"
        )
    }
}

/// Runs `anomalog init`.
///
/// # Errors
/// When there is such a file already, or it cannot be written.
pub fn run(settings: &Settings, args: &InitArgs) -> Result<()> {
    if args.job.exists() {
        return Err(Fault::JobExists {
            path: args.job.clone(),
        }
        .into());
    }
    // Paths in the file are from its own folder.
    let folder = args.job.parent().filter(|folder| *folder != Path::new(""));
    let from_file = |path: &Path| match folder {
        Some(_) => std::path::absolute(path).map_err(cannot("read", path)),
        None => Ok(path.to_owned()),
    };
    let logs = args.logs.iter().map(|path| from_file(path));
    let logs: Vec<PathBuf> = logs.collect::<Result<_, _>>()?;
    let logs: Vec<&Path> = logs.iter().map(PathBuf::as_path).collect();
    let warehouse = if settings.has_warehouse {
        from_file(settings.warehouse.root())?
    } else {
        PathBuf::from("warehouse")
    };
    let text = job_file(&logs, &warehouse);
    let failed = || cannot("write", &args.job);
    let mut file = file_beside(&args.job)?;
    file.write_all(text.as_bytes()).map_err(failed())?;
    let kept = file.persist_noclobber(&args.job);
    kept.map_err(|error| failed()(error.error))?;
    Ok(settings.printer.summary(&JobWritten {
        job: args.job.clone(),
    })?)
}
