//! Subcommands and wiring.
//!
//! [`serve`] puts the rooms together; [`admin`] is what the other subcommands do, over a socket while a server runs and directly
//! while none does.

mod admin;
mod args;
mod backup;
pub mod config;
mod device_key;
mod doctor;
mod metrics;
mod prompt;
mod serve;
mod supervisor;
mod update;

use args::{Command, Invocation};
use config::Config;
use std::io::Write;
use std::process::ExitCode;

/// What a subcommand ended with: nothing more to say, or one clear line for stderr.
type Outcome = Result<ExitCode, String>;

pub fn main() -> ExitCode {
    let outcome = args::parse(std::env::args().skip(1)).and_then(run);
    outcome.unwrap_or_else(|line| {
        eprintln!("footbridge: {line}");
        ExitCode::from(2)
    })
}

fn run(invocation: Invocation) -> Outcome {
    match invocation.command {
        Command::Help(text) => say(text),
        Command::Version => say(&format!("footbridge {}\n", env!("CARGO_PKG_VERSION"))),
        command => {
            let config = Config::load(invocation.config.as_deref(), std::env::vars_os(), &invocation.overrides)?;
            run_with(command, config)
        }
    }
}

fn run_with(command: Command, config: Config) -> Outcome {
    match command {
        Command::Serve => serve::serve(&config),
        Command::Setup => admin::setup(&config),
        Command::Doctor => Ok(doctor::doctor(&config)),
        Command::ShowConfig => say(&config.to_string()),
        Command::Backup { task, passphrase_file } => backup::run(&config, &task, passphrase_file.as_deref()),
        Command::RotateDeviceKey => device_key::rotate(&config),
        Command::Update(task) => update::run(&config, &task),
        Command::Admin(order) => admin::order(&config, order),
        Command::Help(_) | Command::Version => Ok(ExitCode::SUCCESS),
    }
}

/// Prints, and does not mind a reader that went away (`footbridge help | head`).
fn say(text: &str) -> Outcome {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}
