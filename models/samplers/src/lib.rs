//! Samplers (UniPC, flow-match Euler), seeded noise, guidance.
