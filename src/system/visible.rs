//! Visible.
