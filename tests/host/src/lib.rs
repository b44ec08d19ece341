//! A strict OpenFX host for tests: loads the real bundle through its C entry points only.
