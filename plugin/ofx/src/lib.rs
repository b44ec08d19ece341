//! Safe, thin layer over the OpenFX C interface: suites, properties, images, parameters.
