//! Pictures in one array, each with smaller copies of itself.

use keiko_gpu::camera::Texture;
use keiko_model::material;

use crate::look::{linear, shown};

/// All pictures, six or one of each size one after another.
#[derive(Debug, Default)]
pub(crate) struct Atlas {
    /// Of each model's texture, its place among `levels` and how many it has.
    pub places: Vec<(u32, u32)>,
    pub levels: Vec<Texture>,
    /// Red, green, blue of 8 bits, sRGB.
    pub texels: Vec<u32>,
}

impl Atlas {
    pub fn new(textures: &[material::Texture]) -> Self {
        let mut atlas = Self::default();
        textures.iter().for_each(|texture| atlas.add(texture));
        atlas
    }

    /// Adds a picture and its copies of half, a quarter and so on of its size.
    fn add(&mut self, texture: &material::Texture) {
        let (mut width, mut height) = (texture.width, texture.height);
        let first_level = self.levels.len() as u32;
        let mut pixels: Vec<[f32; 3]> = texture
            .pixels
            .as_chunks::<3>()
            .0
            .iter()
            .map(|rgb| rgb.map(|byte| linear(f32::from(byte) / 255.0)))
            .collect();
        loop {
            let first = self.texels.len() as u32;
            self.levels.push(Texture { first, width: width as u32, height: height as u32, pad: 0 });
            self.texels.extend(pixels.iter().map(|rgb| {
                let [r, g, b] = rgb.map(|c| (255.0 * shown(c) + 0.5) as u32);
                r | g << 8 | b << 16
            }));
            if width == 1 && height == 1 {
                break;
            }
            pixels =
                pixels.chunks_exact(width * height).flat_map(|face| halved(face, width, height)).collect();
            (width, height) = ((width / 2).max(1), (height / 2).max(1));
        }
        self.places.push((first_level, self.levels.len() as u32 - first_level));
    }
}

/// Means of two by two pixels; of an odd side the last is left out.
fn halved(face: &[[f32; 3]], width: usize, height: usize) -> Vec<[f32; 3]> {
    let (across, down) = ((width / 2).max(1), (height / 2).max(1));
    let at = |x: usize, y: usize| face[y.min(height - 1) * width + x.min(width - 1)];
    let mean = |x: usize, y: usize| {
        let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
        [0, 1, 2].map(|k| 0.25 * four.iter().map(|pixel| pixel[k]).sum::<f32>())
    };
    (0..across * down).map(|k| mean(2 * (k % across), 2 * (k / across))).collect()
}
