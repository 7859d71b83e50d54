//! `<texture>`: pictures from files, and the patterns that MuJoCo draws itself.

use std::f64::consts::{FRAC_PI_2, SQRT_2};
use std::path::Path;

use super::Reader;
use super::names::Target;
use crate::error::{ErrorKind, Result};
use crate::import::xml::{Attribute, Element};
use crate::material::{Texture, TextureKind};
use crate::png::{self, Pixels};

const BUILTINS: [&str; 4] = ["none", "gradient", "checker", "flat"];
const MARKS: [&str; 4] = ["none", "edge", "cross", "random"];
/// Files of the faces of a cube, in their order.
const FACE_FILES: [&str; 6] = ["fileright", "fileleft", "fileup", "filedown", "filefront", "fileback"];
/// The faces in a `gridlayout`.
const FACE_LETTERS: &[u8; 6] = b"RLUDFB";
/// Most squares of a grid.
const MOST_SQUARES: usize = 12;

/// What a pattern is drawn with.
struct Pattern {
    builtin: usize,
    mark: usize,
    /// Share of dots.
    random: f64,
    colours: [[f64; 3]; 2],
    mark_colour: [u8; 3],
}

/// As MuJoCo makes bytes of colours: cut off, not rounded.
fn bytes(colour: [f64; 3]) -> [u8; 3] {
    colour.map(|c| (255.0 * c) as u8)
}

impl<'a> Reader<'a> {
    /// Textures are only seen: one that cannot be read is a loss, not an error.
    pub(super) fn read_texture(&mut self, e: &'a Element) -> Result<()> {
        e.visit();
        let kind = match e.keyword("type", &["2d", "cube", "skybox"])? {
            Some(0) => TextureKind::Flat,
            // The usual one of MuJoCo.
            Some(1) | None => TextureKind::Cube,
            Some(_) => {
                e.visit_all();
                self.textures.claim(e, "", Target::Dropped, self.limits)?;
                self.report.dropped_visual(e, "", "the sky is keiko's own");
                return Ok(());
            }
        };
        // Bytes are taken as they are shown.
        e.get("colorspace");
        e.get("content_type");
        let index = self.model.textures.len();
        let drawn = match e.keyword("builtin", &BUILTINS)? {
            Some(builtin) if builtin > 0 => Ok(self.draw(e, kind, builtin)?),
            _ => self.load_texture(e, kind)?,
        };
        let kept = match &drawn {
            Ok(_) => Target::Kept(index),
            Err(_) => Target::Dropped,
        };
        let mut name = self.textures.claim(e, "", kept, self.limits)?;
        if name.is_empty() {
            let files = ["file"].iter().chain(&FACE_FILES).find_map(|key| e.get(key));
            let Some(file) = files else {
                return Err(e.error(ErrorKind::Structure, "a texture without `name` and without `file`"));
            };
            let stem = Path::new(&file.value).file_stem().map(|s| s.to_string_lossy().into_owned());
            name = self.textures.claim_as(&stem.unwrap_or_default(), file, kept)?;
        }
        match drawn {
            Ok(Pixels { width, height, rgb }) => {
                let height = if kind == TextureKind::Cube { width } else { height };
                self.model.textures.push(Texture { name, kind, width, height, pixels: rgb });
            }
            Err(reason) => self.report.dropped_visual(e, "", reason),
        }
        Ok(())
    }

    /// The side of a picture that is drawn \[pixel\].
    fn side(&self, e: &Element, key: &str) -> Result<usize> {
        let side = e.i32(key)?.unwrap_or(0);
        usize::try_from(side).ok().filter(|n| (1..=self.limits.texture_side).contains(n)).ok_or_else(|| {
            e.error_at(key, ErrorKind::Value, format!("the {key} of a texture is {side}"))
                .allowed(format!("1 to {}", self.limits.texture_side))
        })
    }

    fn draw(&mut self, e: &'a Element, kind: TextureKind, builtin: usize) -> Result<Pixels> {
        let pattern = Pattern {
            builtin,
            mark: e.keyword("mark", &MARKS)?.unwrap_or(0),
            random: e.f64("random")?.unwrap_or(0.01),
            colours: [e.array("rgb1")?.unwrap_or([0.8; 3]), e.array("rgb2")?.unwrap_or([0.5; 3])],
            mark_colour: bytes(e.array("markrgb")?.unwrap_or([0.0; 3])),
        };
        let width = self.side(e, "width")?;
        // Of a cube the height is that of all six pictures, and follows from the width.
        let height = match kind {
            TextureKind::Flat => self.side(e, "height")?,
            TextureKind::Cube => e.i32("height")?.map_or(width, |_| width),
        };
        if MARKS[pattern.mark] == "random" {
            self.report.approximated_visual(e, "`mark`", "its dots are elsewhere");
        }
        let faces = 0..kind.num_faces();
        let rgb = faces.flat_map(|face| pattern.face(kind, face, width, height)).flatten().collect();
        Ok(Pixels { height, width, rgb })
    }

    /// A picture from its files, or what is wrong with them.
    fn load_texture(&self, e: &Element, kind: TextureKind) -> Result<std::result::Result<Pixels, String>> {
        let flips = [e.bool("hflip")?.unwrap_or(false), e.bool("vflip")?.unwrap_or(false)];
        let blank = bytes(e.array("rgb1")?.unwrap_or([0.8; 3]));
        for unused in ["rgb2", "mark", "markrgb", "random", "width", "height", "nchannel"] {
            e.get(unused);
        }
        let grid: [f64; 2] = e.array("gridsize")?.unwrap_or([1.0; 2]);
        let layout = e.str("gridlayout").unwrap_or("............").as_bytes().to_vec();
        if let Some(file) = e.get("file") {
            return Ok(match (self.picture(e, file, flips), kind) {
                (Ok(picture), TextureKind::Cube) => unfold(&picture, grid, &layout, blank),
                (picture, _) => picture,
            });
        }
        let mut faces: [Option<Pixels>; 6] = Default::default();
        for (face, key) in faces.iter_mut().zip(FACE_FILES) {
            let Some(file) = e.get(key) else { continue };
            match self.picture(e, file, flips) {
                Ok(picture) => *face = Some(picture),
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(join(&faces, blank))
    }

    /// One file, turned over as asked for.
    fn picture(
        &self,
        e: &Element,
        file: &Attribute,
        [across, upside_down]: [bool; 2],
    ) -> std::result::Result<Pixels, String> {
        let path = self.texture_file(e, &file.value);
        let bytes =
            self.files.read(&path, self.limits.mesh_bytes, &file.location()).map_err(|e| e.message)?;
        let Pixels { width, height, mut rgb } =
            png::decode(&bytes).map_err(|why| format!("`{}`: {why}", file.value))?;
        if width == 0 || height == 0 {
            return Err(format!("`{}` has no pixels", file.value));
        }
        if upside_down {
            rgb = rgb.chunks_exact(3 * width).rev().flatten().copied().collect();
        }
        if across {
            rgb.chunks_exact_mut(3 * width).for_each(|row| row.as_chunks_mut::<3>().0.reverse());
        }
        Ok(Pixels { height, width, rgb })
    }
}

/// The faces of a cube, in their order, from one file: the same six times, or the squares that a layout names.
fn unfold(
    picture: &Pixels,
    grid: [f64; 2],
    layout: &[u8],
    blank: [u8; 3],
) -> std::result::Result<Pixels, String> {
    let [rows, columns] = grid.map(|n| n.max(1.0) as usize);
    if rows * columns > MOST_SQUARES || layout.len() < rows * columns {
        return Err(format!("a grid of {rows} by {columns} squares with the layout of {}", layout.len()));
    }
    let side = picture.width / columns;
    if side * columns != picture.width || side * rows != picture.height {
        // Six squares, one under the other, need no grid.
        if rows * columns == 1 && picture.height == 6 * picture.width {
            return Ok(Pixels { height: picture.width, ..picture.clone() });
        }
        let (width, height) = (picture.width, picture.height);
        return Err(format!("{width} by {height} pixels are no grid of {rows} by {columns} squares"));
    }
    let square = |at: usize| Pixels {
        height: side,
        width: side,
        rgb: (0..side)
            .flat_map(|row| {
                let first = 3 * ((at / columns * side + row) * picture.width + at % columns * side);
                picture.rgb[first..first + 3 * side].to_vec()
            })
            .collect(),
    };
    if rows * columns == 1 {
        return Ok(Pixels { height: side, width: side, rgb: picture.rgb.repeat(6) });
    }
    let faces = FACE_LETTERS
        .map(|letter| layout[..rows * columns].iter().position(|found| *found == letter).map(square));
    join(&faces, blank)
}

/// Six pictures, one after the other; those that are missing have one colour.
fn join(faces: &[Option<Pixels>; 6], blank: [u8; 3]) -> std::result::Result<Pixels, String> {
    let Some(side) = faces.iter().flatten().map(|face| face.width).next() else {
        return Err("it has neither a file nor a pattern".to_owned());
    };
    if faces.iter().flatten().any(|face| face.width != side || face.height != side) {
        return Err("the faces of a cube are squares of one size".to_owned());
    }
    let rgb = faces.iter().flat_map(|face| match face {
        Some(face) => face.rgb.clone(),
        None => blank.repeat(side * side),
    });
    Ok(Pixels { height: side, width: side, rgb: rgb.collect() })
}

impl Pattern {
    /// The pixels of one picture.
    fn face(&self, kind: TextureKind, face: usize, width: usize, height: usize) -> Vec<[u8; 3]> {
        let [first, second] = self.colours.map(bytes);
        let mut pixels = Vec::with_capacity(width * height);
        for row in 0..height {
            for column in 0..width {
                let upper_left = (row < height / 2) == (column < width / 2);
                let pixel = match BUILTINS[self.builtin] {
                    "gradient" => self.gradient(kind, face, [row, column], [width, height]),
                    // Front and back of a cube the other way round.
                    "checker" if upper_left != (face >= 4) => first,
                    "checker" => second,
                    // Below a cube is the second colour.
                    _ if face == 3 => second,
                    _ => first,
                };
                pixels.push(if self.is_marked(face, [row, column], [width, height]) {
                    self.mark_colour
                } else {
                    pixel
                });
            }
        }
        pixels
    }

    fn gradient(
        &self,
        kind: TextureKind,
        face: usize,
        [row, column]: [usize; 2],
        [width, height]: [usize; 2],
    ) -> [u8; 3] {
        let along = |at: usize, count: usize| 2.0 * at as f64 / (count.max(2) - 1) as f64 - 1.0;
        let (x, y) = (along(column, width), -along(row, height));
        let [first, second] = self.colours;
        let length = (1.0 + x * x + y * y).sqrt();
        let steepness = 1.0 - (1.0 / length).acos() / FRAC_PI_2;
        match (kind, face) {
            (TextureKind::Flat, _) => blend(second, first, 2.0 * x.hypot(y) - 1.0),
            (TextureKind::Cube, 2) => blend(first, second, steepness),
            (TextureKind::Cube, 3) => blend(first, second, -steepness),
            (TextureKind::Cube, _) => blend(first, second, (y / length).asin() / FRAC_PI_2),
        }
    }

    fn is_marked(&self, face: usize, [row, column]: [usize; 2], [width, height]: [usize; 2]) -> bool {
        match MARKS[self.mark] {
            "edge" => row == 0 || column == 0 || row + 1 == height || column + 1 == width,
            "cross" => row == height / 2 || column == width / 2,
            "random" => {
                // A hash of the place (the finaliser of MurmurHash3).
                let mut bits = ((face * height + row) * width + column) as u32 ^ 0x9e37_79b9;
                for factor in [0x85eb_ca6b, 0xc2b2_ae35] {
                    bits = (bits ^ bits >> 16).wrapping_mul(factor);
                }
                f64::from(bits ^ bits >> 16) < self.random * f64::from(u32::MAX)
            }
            _ => false,
        }
    }
}

/// Between two colours: the second at -1, the first at 1, along a sigmoid.
fn blend(first: [f64; 3], second: [f64; 3], at: f64) -> [u8; 3] {
    let share = (0.5 * (1.0 + at / (1.0 + at * at).sqrt() * SQRT_2)).clamp(0.0, 1.0);
    bytes([0, 1, 2].map(|k| share * first[k] + (1.0 - share) * second[k]))
}
