//! Camera images as the model wants them: square, the old ratio kept, -1 to 1.

use crate::PolicyError;
use rayon::prelude::*;

/// Images of one camera: 8-bit RGB, rows from the top, `[batch, height, width, 3]`.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// All pixels of all images.
    pub pixels: &'a [u8],
}

impl Images<'_> {
    /// Images in it.
    pub fn len(&self) -> usize {
        self.pixels.len() / (self.width * self.height * 3).max(1)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that the pixels are a whole number of images.
    pub fn check(&self, camera: &str) -> Result<(), PolicyError> {
        let size = self.width * self.height * 3;
        if size == 0 || !self.pixels.len().is_multiple_of(size) {
            let message = format!(
                "{} bytes are not whole images of {}x{}x3",
                self.pixels.len(),
                self.height,
                self.width
            );
            return Err(PolicyError::malformed(camera, message));
        }
        Ok(())
    }
}

/// Planes `[batch, 3, side, side]` in -1 to 1. A smaller or larger image is scaled until it fits, between its
/// nearest pixels without smoothing, and black fills the left or the top. No `side` leaves the size as it is.
pub fn to_planes(images: Images, side: Option<usize>) -> Vec<f32> {
    let (width, height) = (images.width, images.height);
    let (to_width, to_height) = side.map_or((width, height), |side| (side, side));
    let (new_width, new_height) = if (width, height) == (to_width, to_height) {
        (width, height)
    } else {
        let ratio = f64::max(width as f64 / to_width as f64, height as f64 / to_height as f64);
        ((width as f64 / ratio) as usize, (height as f64 / ratio) as usize)
    };
    let columns = neighbours(width, new_width);
    let rows = neighbours(height, new_height);
    let (left, top) = (to_width - new_width, to_height - new_height);
    let mut planes = vec![-1.0; images.len() * 3 * to_width * to_height];
    planes.par_chunks_exact_mut(3 * to_width * to_height).enumerate().for_each(|(image, planes)| {
        let pixels = &images.pixels[image * width * height * 3..];
        for (channel, plane) in planes.chunks_exact_mut(to_width * to_height).enumerate() {
            let at =
                |row: usize, column: usize| f32::from(pixels[(row * width + column) * 3 + channel]) / 255.0;
            for (line, &(y0, y1, fy)) in plane.chunks_exact_mut(to_width).skip(top).zip(&rows) {
                for (value, &(x0, x1, fx)) in line[left..].iter_mut().zip(&columns) {
                    let upper = at(y0, x0) * (1.0 - fx) + at(y0, x1) * fx;
                    let lower = at(y1, x0) * (1.0 - fx) + at(y1, x1) * fx;
                    *value = (upper * (1.0 - fy) + lower * fy) * 2.0 - 1.0;
                }
            }
        }
    });
    planes
}

/// For each of `to` new places the two old ones it lies between, and how near to the second: centres of
/// pixels stay in place (PyTorch's `interpolate` with `align_corners=False`).
fn neighbours(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f32 / to as f32;
    let place = |i: usize| {
        let source = ((i as f32 + 0.5) * scale - 0.5).max(0.0);
        let first = (source as usize).min(from - 1);
        (first, (first + 1).min(from - 1), source - first as f32)
    };
    (0..to).map(place).collect()
}
