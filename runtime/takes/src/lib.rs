//! The store of plates and takes: content-addressed, mapped, checked.
