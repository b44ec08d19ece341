//! The Pickup OpenFX plugin: describe, parameters, clips, render, hosts.
