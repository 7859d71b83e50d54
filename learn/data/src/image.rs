//! Pictures of a camera.

/// Colours of 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[height, width, 3]`: red, green, blue; the first row is the upper one.
    pub pixels: Vec<u8>,
}
