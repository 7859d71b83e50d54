//! Pictures in one array, each with smaller copies of itself.

use keiko_gpu::camera::Texture;
use keiko_model::material;
use rayon::prelude::*;

use crate::look::linear;

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
    /// Of the textures that are `used`; others get no place.
    pub fn new(textures: &[material::Texture], used: &[bool]) -> Self {
        let code = Code::new();
        let mut atlas = Self::default();
        let of = |(texture, used): (&material::Texture, &bool)| match used {
            true => Self::of(texture, &code),
            false => Self::default(),
        };
        let copies: Vec<Self> = textures.par_iter().zip(used).map(of).collect();
        for Self { levels, texels, .. } in copies {
            let before = atlas.texels.len() as u32;
            atlas.places.push((atlas.levels.len() as u32, levels.len() as u32));
            atlas.levels.extend(levels.iter().map(|level| Texture { first: level.first + before, ..*level }));
            atlas.texels.extend(texels);
        }
        atlas
    }

    /// A picture and its copies of half, a quarter and so on of its size.
    fn of(texture: &material::Texture, code: &Code) -> Self {
        let (mut width, mut height) = (texture.width, texture.height);
        let bytes = texture.pixels.as_chunks::<3>().0;
        let packed = |[r, g, b]: [u32; 3]| r | g << 8 | b << 16;
        let mut own = Self {
            levels: vec![Texture { first: 0, width: width as u32, height: height as u32, pad: 0 }],
            texels: bytes.iter().map(|rgb| packed(rgb.map(u32::from))).collect(),
            ..Self::default()
        };
        let mut pixels: Vec<[f32; 3]> =
            bytes.par_iter().map(|rgb| rgb.map(|byte| code.light[usize::from(byte)])).collect();
        while width > 1 || height > 1 {
            pixels = halved(&pixels, width, height);
            (width, height) = ((width / 2).max(1), (height / 2).max(1));
            let first = own.texels.len() as u32;
            own.levels.push(Texture { first, width: width as u32, height: height as u32, pad: 0 });
            own.texels.par_extend(pixels.par_iter().map(|rgb| packed(rgb.map(|light| code.byte(light)))));
        }
        own
    }
}

/// Means of two by two pixels of each face `[faces, height, width]`; of an odd side the last is left out.
fn halved(pixels: &[[f32; 3]], width: usize, height: usize) -> Vec<[f32; 3]> {
    let (across, down) = ((width / 2).max(1), (height / 2).max(1));
    let faces = pixels.len() / (width * height);
    let mean = |at: usize| {
        let (face, x, y) = (at / (across * down), 2 * (at % across), 2 * (at / across % down));
        let of = |x: usize, y: usize| pixels[(face * height + y.min(height - 1)) * width + x.min(width - 1)];
        let four = [of(x, y), of(x + 1, y), of(x, y + 1), of(x + 1, y + 1)];
        [0, 1, 2].map(|k| 0.25 * four.iter().map(|pixel| pixel[k]).sum::<f32>())
    };
    (0..faces * across * down).into_par_iter().map(mean).collect()
}

/// From bytes of sRGB to light, and back without a power for each.
struct Code {
    /// Of each byte.
    light: Vec<f32>,
    /// Least light that is coded as each byte, and more than all for the one after the last.
    least: Vec<f32>,
    /// The byte at each of [`STEPS`] parts of white.
    near: Vec<u32>,
}

/// So many that no more than two bytes begin within one of them.
const STEPS: usize = 4096;

impl Code {
    fn new() -> Self {
        let light = (0..=255u8).map(|byte| linear(f32::from(byte) / 255.0)).collect();
        let mut least: Vec<f32> = (0..=255u8).map(|byte| linear((f32::from(byte) - 0.5) / 255.0)).collect();
        least[0] = f32::NEG_INFINITY;
        least.push(f32::INFINITY);
        let mut code = Self { light, least, near: vec![0; STEPS + 1] };
        for step in 1..=STEPS {
            code.near[step] = code.from(code.near[step - 1], step as f32 / STEPS as f32);
        }
        code
    }

    /// The byte that light is nearest to, as it is shown.
    fn byte(&self, light: f32) -> u32 {
        let light = light.clamp(0.0, 1.0);
        self.from(self.near[(light * STEPS as f32) as usize], light)
    }

    /// The same, of one that is not under `byte`.
    fn from(&self, mut byte: u32, light: f32) -> u32 {
        while self.least[byte as usize + 1] <= light {
            byte += 1;
        }
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// sRGB's transfer function (IEC 61966-2-1).
    fn shown(light: f32) -> f32 {
        if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
    }

    #[test]
    fn light_is_coded_as_srgb_says() {
        let code = Code::new();
        for byte in 0..=255u32 {
            assert_eq!(code.byte(code.light[byte as usize]), byte);
        }
        for k in 0..=100_000u32 {
            let light = k as f32 / 100_000.0;
            let place = 255.0 * shown(light);
            // Halfway between two either will do.
            let is_halfway = (place.fract() - 0.5).abs() < 1e-3;
            assert!(code.byte(light) == (place + 0.5) as u32 || is_halfway, "{light}: {}", code.byte(light));
        }
    }
}
