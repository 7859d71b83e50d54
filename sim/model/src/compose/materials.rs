//! Materials of the scene, and the finishes that a task draws.

use std::collections::BTreeMap;

use crate::error::{ErrorKind, Result};
use crate::material::{Finish, Material, Texture, TextureKind, TextureUse};
use crate::png;
use crate::robot::RobotModel;
use crate::task::{MaterialSpec, Randomization, Source, TaskSpec, matches_pattern};

/// Finishes that a range stands for: what facets mirror in all is worked out for each of them once.
pub const NUM_FINISHES: usize = 16;
/// Most bytes of a file with a picture.
const MAX_BYTES: u64 = 64 << 20;

/// For each task term that draws finishes, by its name: geoms, and the first of the [`NUM_FINISHES`] materials that each
/// is drawn from.
pub type DrawnFinishes = BTreeMap<String, Vec<(usize, usize)>>;

/// Appends a material.
pub(super) fn append(
    model: &mut RobotModel,
    spec: &MaterialSpec,
    index: usize,
    source: &Source,
) -> Result<()> {
    let path = |key: &str| format!("materials.{index}.{key}");
    if spec.name.is_empty() || model.materials.iter().any(|material| material.name == spec.name) {
        let message = format!("the name `{}` is taken by another material", spec.name);
        return Err(source.error(ErrorKind::Structure, &path("name"), message));
    }
    let share = |c: &f32| (0.0..=1.0).contains(c);
    if !spec.rgba.iter().flatten().all(share) {
        return Err(source.error(ErrorKind::Value, &path("rgba"), "a colour is not from 0 to 1"));
    }
    let texture = match &spec.texture {
        Some(file) => {
            let unreadable = |reason: String| {
                let message = format!("{}: {reason}", file.display());
                source.error(ErrorKind::Io, &path("texture"), message)
            };
            let size = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
            if size > MAX_BYTES {
                return Err(unreadable(format!("{size} bytes, where at most {MAX_BYTES} are read")));
            }
            let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
            let picture = png::decode(&bytes).map_err(unreadable)?;
            model.textures.push(Texture {
                name: longer(spec.name.clone(), |name| model.textures.iter().any(|t| t.name == name)),
                kind: TextureKind::Flat,
                width: picture.width,
                height: picture.height,
                pixels: picture.rgb,
            });
            let texture = model.textures.len() - 1;
            Some(TextureUse { texture, repeat: spec.repeat, uniform: spec.uniform })
        }
        None => None,
    };
    let (name, finish, rgba) = (spec.name.clone(), spec.finish, spec.rgba);
    model.materials.push(Material { name, finish, texture, rgba });
    Ok(())
}

/// Appends the finishes that terms draw: each of the pictures on the bodies that are meant, with finishes spread over the
/// ranges.
pub(super) fn append_drawn(model: &mut RobotModel, spec: &TaskSpec) -> DrawnFinishes {
    let mut drawn = DrawnFinishes::new();
    for (term, entry) in spec.randomize.iter() {
        let Randomization::Finish { bodies, roughness, metallic, specular, .. } = &entry.term else {
            continue;
        };
        let meant = |body: usize| bodies.iter().any(|p| matches_pattern(p, &model.bodies[body].name));
        let geoms: Vec<usize> =
            (0..model.geoms.len()).filter(|geom| meant(model.geoms[*geom].body)).collect();
        let mut pictures: Vec<(Option<TextureUse>, usize)> = Vec::new();
        let mut places = Vec::new();
        for geom in geoms {
            let own = model.geoms[geom].material.map(|index| &model.materials[index]);
            let texture = own.and_then(|material| material.texture);
            let base = own.and_then(|material| material.finish).unwrap_or_default();
            if let Some((_, first)) = pictures.iter().find(|(known, _)| *known == texture) {
                places.push((geom, *first));
                continue;
            }
            let first = model.materials.len();
            for k in 0..NUM_FINISHES {
                let finish = nth_finish(base, [*roughness, *metallic, *specular], k);
                let name = free_name(model, format!("{term}.{}.{k}", pictures.len()));
                model.materials.push(Material { name, finish: Some(finish), texture, rgba: None });
            }
            pictures.push((texture, first));
            places.push((geom, first));
        }
        drawn.insert(term.to_owned(), places);
    }
    drawn
}

/// One of finishes that are spread evenly over ranges of roughness, metal and mirroring; what has no range stays.
fn nth_finish(base: Finish, ranges: [Option<[f64; 2]>; 3], k: usize) -> Finish {
    // Steps of the plastic number and its square leave no direction uncovered (Roberts 2018).
    let places = [(k as f64 + 0.5) / NUM_FINISHES as f64, 0.754_877_67 * k as f64, 0.569_840_29 * k as f64];
    let within = |axis: usize, own: f64| {
        ranges[axis].map_or(own, |[low, high]| low + (high - low) * (places[axis] + 1e-9).fract())
    };
    Finish {
        roughness: within(0, base.roughness),
        metallic: within(1, base.metallic),
        specular: within(2, base.specular),
        ..base
    }
}

/// A name that no material has yet.
pub(super) fn free_name(model: &RobotModel, name: String) -> String {
    longer(name, |name| model.materials.iter().any(|material| material.name == name))
}

fn longer(mut name: String, is_taken: impl Fn(&str) -> bool) -> String {
    while is_taken(&name) {
        name.push('_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finishes_cover_their_ranges_and_leave_the_rest() {
        let base = Finish { specular: 0.3, ..Finish::default() };
        let ranges = [Some([0.2, 1.0]), Some([0.0, 1.0]), None];
        let all: Vec<Finish> = (0..NUM_FINISHES).map(|k| nth_finish(base, ranges, k)).collect();
        for quarter in 0..4 {
            let low = 0.25 * f64::from(quarter);
            let rough = all.iter().filter(|f| (low..low + 0.25).contains(&((f.roughness - 0.2) / 0.8)));
            let metal = all.iter().filter(|f| (low..low + 0.25).contains(&f.metallic));
            assert_eq!(rough.count(), 4);
            assert!((3..=5).contains(&metal.count()));
        }
        assert!(all.iter().all(|f| f.specular == 0.3));
    }
}
