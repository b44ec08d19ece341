//! Compiles the C shim for the variadic functions that a host must define.

fn main() {
    // The tests compile a plugin for this target.
    println!("cargo::rustc-env=PICKUP_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    println!("cargo::rerun-if-changed=src/ffi/shim.c");
    cc::Build::new().file("src/ffi/shim.c").warnings(true).compile("pickup_test_host_shim");
}
