//! Turns a request into a take: plan, windows, denoising, join, store, prompt cache.
