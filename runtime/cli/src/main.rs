//! The `pickup` command; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    pickup_cli::main()
}
