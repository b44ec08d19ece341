//! Model packages: manifest schema, verification, catalogue, install.
