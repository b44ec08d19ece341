//! Starts the worker, speaks its protocol, reads takes: all that the plugin links.
