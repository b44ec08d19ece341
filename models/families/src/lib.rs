//! How each model family eats a canvas.
