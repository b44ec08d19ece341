//! Whole jobs through the test host and the command line.
