//! The worker process: the engine behind a protocol on stdin and stdout.

fn main() {}
