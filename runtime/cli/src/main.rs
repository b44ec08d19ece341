//! The command line: generate, fill, extend, estimate, models, takes, doctor.

fn main() {}
