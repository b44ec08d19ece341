//! Pickup's vocabulary: frames, canvas, frame rate, request, progress, take record, protocol, errors. No I/O.
