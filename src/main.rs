//! The `tfw` program: a status becomes an exit code, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(tfw::cli::main())
}
