//! Runs a described timeline through a bundle.

fn main() {}
