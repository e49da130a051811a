//! `anomalog completions` and `anomalog man`: what packages ship beside the program.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::error::Result;
use super::settings::Settings;
use crate::cli::Cli;
use crate::cli::printer::OutputError;
use crate::explain::cannot;

/// Prints what makes a shell complete commands, options and values.
///
/// # Errors
/// When standard output cannot be written.
pub fn completions(settings: &Settings, shell: Shell) -> Result<()> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let mut output = settings.printer.data();
    let written = output.write_all(&script).and_then(|()| output.flush());
    Ok(written.map_err(OutputError::Closed)?)
}

/// Writes a man page for every command to a folder.
///
/// # Errors
/// When the folder cannot be written.
pub fn man(settings: &Settings, folder: &Path) -> Result<()> {
    let write = || {
        fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Cli::command(), folder)
    };
    write().map_err(cannot("write", folder))?;
    let folder = folder.display();
    settings
        .printer
        .note(format_args!("wrote man pages to `{folder}`"));
    Ok(())
}
