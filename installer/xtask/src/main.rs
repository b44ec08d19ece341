//! Setup, bundle, demo, tests, acceptance and checks.

fn main() {}
