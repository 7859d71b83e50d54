//! Randomised looks: where cameras are, light, colours. Drawn for each episode, and drawn again where they are needed: a
//! draw is a function of seed, environment and episode, so nothing of it is saved.

use keiko_model::Result;
use keiko_model::compose::NUM_FINISHES;
use keiko_model::error::ErrorKind;
use keiko_model::robot::RobotModel;
use keiko_model::task::{Randomization, matches_pattern};
use keiko_world::Moment;
use keiko_world::looks::{CameraLook, LampLook, LightLook, Looks};

use crate::bind::Binder;
use crate::draw::{Draw, MAX_STREAMS, Purpose, Who};

/// The sun stands straight above at the most \[rad\].
const ZENITH: f64 = std::f64::consts::FRAC_PI_2;

/// A term of looks with its names resolved.
#[derive(Clone, Debug)]
enum Bound {
    Pose {
        cameras: Vec<usize>,
        position: [f64; 2],
        rotation: [f64; 2],
    },
    Zoom {
        cameras: Vec<usize>,
        factor: [f64; 2],
    },
    Sun {
        azimuth: Option<[f64; 2]>,
        elevation: Option<[f64; 2]>,
        brightness: [f64; 2],
        tint: [f64; 2],
    },
    Sky {
        brightness: [f64; 2],
        tint: [f64; 2],
    },
    /// Geoms that get one draw.
    Color {
        geoms: Vec<Vec<usize>>,
        offset: [f64; 2],
    },
    /// Likewise.
    Material {
        geoms: Vec<Vec<usize>>,
        materials: Vec<usize>,
    },
    /// Likewise, each geom with the first of its materials.
    Finish {
        geoms: Vec<Vec<(usize, usize)>>,
    },
    Exposure {
        cameras: Vec<usize>,
        factor: [f64; 2],
    },
    Lamp {
        lamps: Vec<usize>,
        position: [f64; 2],
        brightness: [f64; 2],
        tint: [f64; 2],
    },
}

/// All randomisation of looks of a task.
#[derive(Clone, Debug, Default)]
pub(crate) struct LooksRandomizer {
    terms: Vec<Bound>,
    num_cameras: usize,
    num_lamps: usize,
    /// Colours of the model's geoms, sRGB.
    colors: Vec<[f32; 3]>,
    /// Materials of the model's geoms.
    materials: Vec<Option<usize>>,
    /// Colour that each material of the model brings.
    brought: Vec<Option<[f32; 3]>>,
}

impl LooksRandomizer {
    pub fn new(model: &RobotModel) -> Self {
        let rgb = |[r, g, b, _]: [f32; 4]| [r, g, b];
        Self {
            terms: Vec::new(),
            num_cameras: model.cameras.len(),
            num_lamps: model.lamps.len(),
            colors: model.geoms.iter().map(|geom| rgb(geom.rgba)).collect(),
            materials: model.geoms.iter().map(|geom| geom.material).collect(),
            brought: model.materials.iter().map(|material| material.rgba.map(rgb)).collect(),
        }
    }

    /// Whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Adds a term; whether it is one of looks.
    pub fn bind(&mut self, binder: &Binder<'_>, term: &Randomization, path: &str) -> Result<bool> {
        let at = |key: &str| format!("{path}.{key}");
        let positive = |range: [f64; 2], key: &str| {
            let range = binder.ordered(range, &at(key))?;
            match range[0] > 0.0 {
                true => Ok(range),
                false => Err(binder.error(ErrorKind::Value, &at(key), "a factor is not over 0")),
            }
        };
        let ordered = |range: Option<[f64; 2]>, key: &str| {
            range.map(|range| binder.ordered(range, &at(key))).transpose()
        };
        let bound = match term {
            Randomization::CameraPose { cameras, position, rotation } => Bound::Pose {
                cameras: binder.cameras(cameras, &at("cameras"))?,
                position: binder.ordered(*position, &at("position"))?,
                rotation: binder.ordered(*rotation, &at("rotation"))?,
            },
            Randomization::FocalLength { cameras, factor } => Bound::Zoom {
                cameras: binder.cameras(cameras, &at("cameras"))?,
                factor: positive(*factor, "factor")?,
            },
            Randomization::Sun { azimuth, elevation, brightness, tint } => {
                let elevation = ordered(*elevation, "elevation")?;
                if elevation.is_some_and(|[low, high]| low < 0.0 || high > ZENITH) {
                    let error =
                        binder.error(ErrorKind::Value, &at("elevation"), "the sun is not above the horizon");
                    return Err(error.allowed("allowed: from 0 to 1.5707"));
                }
                Bound::Sun {
                    azimuth: ordered(*azimuth, "azimuth")?,
                    elevation,
                    brightness: positive(*brightness, "brightness")?,
                    tint: positive(*tint, "tint")?,
                }
            }
            Randomization::Sky { brightness, tint } => Bound::Sky {
                brightness: positive(*brightness, "brightness")?,
                tint: positive(*tint, "tint")?,
            },
            Randomization::Lamp { lamps, position, brightness, tint } => Bound::Lamp {
                lamps: binder.lamps(lamps, &at("lamps"))?,
                position: binder.ordered(*position, &at("position"))?,
                brightness: positive(*brightness, "brightness")?,
                tint: positive(*tint, "tint")?,
            },
            Randomization::Color { bodies, offset, alike } => {
                let geoms = groups(binder, bodies, *alike, &at("bodies"))?;
                Bound::Color { geoms, offset: binder.ordered(*offset, &at("offset"))? }
            }
            Randomization::Material { bodies, materials, alike } => {
                let known = &binder.scene.model.materials;
                let find = |(index, name): (usize, &String)| {
                    known.iter().position(|material| material.name == *name).ok_or_else(|| {
                        let names = known.iter().map(|material| material.name.as_str());
                        binder.spec.source.unknown(
                            &at(&format!("materials.{index}")),
                            "material",
                            name,
                            names,
                        )
                    })
                };
                Bound::Material {
                    geoms: groups(binder, bodies, *alike, &at("bodies"))?,
                    materials: materials.iter().enumerate().map(find).collect::<Result<_>>()?,
                }
            }
            Randomization::Finish { bodies, roughness, metallic, specular, alike } => {
                for (key, range) in [("roughness", roughness), ("metallic", metallic), ("specular", specular)]
                {
                    let range = ordered(*range, key)?;
                    if range.is_some_and(|[low, high]| low < 0.0 || high > 1.0) {
                        let error = binder.error(ErrorKind::Value, &at(key), "a share is not from 0 to 1");
                        return Err(error.allowed("allowed: [low, high] from 0 to 1"));
                    }
                }
                if roughness.or(*metallic).or(*specular).is_none() {
                    let message = "the finish has no range: `roughness`, `metallic` or `specular`";
                    return Err(binder.error(ErrorKind::Structure, &at("bodies"), message));
                }
                let geoms = groups(binder, bodies, *alike, &at("bodies"))?;
                let term = path.strip_prefix("randomize.").unwrap_or(path);
                let places = binder.scene.finishes.get(term).map(Vec::as_slice).unwrap_or_default();
                let place = |geom: usize| places.iter().copied().find(|(known, _)| *known == geom);
                let geoms = geoms.into_iter().map(|group| group.into_iter().filter_map(place).collect());
                Bound::Finish { geoms: geoms.collect() }
            }
            Randomization::Exposure { cameras, factor } => {
                let cameras = binder.cameras(cameras, &at("cameras"))?;
                let known = &binder.scene.model.cameras;
                if let Some(camera) = cameras.iter().find(|camera| known[**camera].imager.color.is_none()) {
                    let name = &known[*camera].name;
                    let message = format!("camera `{name}` has no `color_sensor` that could be exposed");
                    return Err(binder.error(ErrorKind::Structure, &at("cameras"), &message));
                }
                Bound::Exposure { cameras, factor: positive(*factor, "factor")? }
            }
            _ => return Ok(false),
        };
        self.terms.push(bound);
        if self.terms.len() > MAX_STREAMS {
            return Err(binder
                .error(ErrorKind::Limit, path, "too many terms of looks")
                .allowed("at most 64"));
        }
        Ok(true)
    }

    /// Draws the looks of one environment's episode into its part of `looks`.
    fn draw(&self, who: Who, index: usize, looks: &mut Looks) {
        let cameras = &mut looks.cameras[index * self.num_cameras..][..self.num_cameras];
        cameras.fill(CameraLook::default());
        let light = &mut looks.lights[index];
        *light = LightLook::default();
        let lamps = &mut looks.lamps[index * self.num_lamps..][..self.num_lamps];
        lamps.fill(LampLook::default());
        let colors = &mut looks.colors[index * self.colors.len()..][..self.colors.len()];
        colors.copy_from_slice(&self.colors);
        let materials = &mut looks.materials[index * self.materials.len()..][..self.materials.len()];
        materials.copy_from_slice(&self.materials);
        // What things are made of comes before what is added to their colours.
        let (made, added): (Vec<_>, Vec<_>) = self
            .terms
            .iter()
            .enumerate()
            .partition(|(_, term)| matches!(term, Bound::Material { .. } | Bound::Finish { .. }));
        for (stream, term) in made.into_iter().chain(added) {
            let mut draw = who.draw(Purpose::Reset, stream, 0);
            match term {
                Bound::Pose { cameras: which, position, rotation } => {
                    for camera in which {
                        let look = &mut cameras[*camera];
                        look.shift = look.shift.map(|x| x + draw.range(*position));
                        look.turn = look.turn.map(|x| x + draw.range(*rotation));
                    }
                }
                Bound::Zoom { cameras: which, factor } => {
                    for camera in which {
                        cameras[*camera].zoom *= draw.range(*factor);
                    }
                }
                Bound::Sun { azimuth, elevation, brightness, tint } => {
                    light.azimuth = azimuth.map(|range| draw.range(range)).or(light.azimuth);
                    light.elevation = elevation.map(|range| draw.range(range)).or(light.elevation);
                    scale(&mut light.sun_factor, &mut draw, *brightness, *tint);
                }
                Bound::Sky { brightness, tint } => {
                    scale(&mut light.sky_factor, &mut draw, *brightness, *tint);
                }
                Bound::Material { geoms, materials: which } => {
                    for group in geoms {
                        let material = which[draw.whole([0, which.len() as u32 - 1]) as usize];
                        for geom in group {
                            materials[*geom] = Some(material);
                            colors[*geom] = self.brought[material].unwrap_or(colors[*geom]);
                        }
                    }
                }
                Bound::Finish { geoms } => {
                    for group in geoms {
                        let which = draw.whole([0, NUM_FINISHES as u32 - 1]) as usize;
                        group.iter().for_each(|(geom, first)| materials[*geom] = Some(first + which));
                    }
                }
                Bound::Lamp { lamps: which, position, brightness, tint } => {
                    for lamp in which {
                        let look = &mut lamps[*lamp];
                        look.shift = look.shift.map(|x| x + draw.range(*position));
                        scale(&mut look.factor, &mut draw, *brightness, *tint);
                    }
                }
                Bound::Exposure { cameras: which, factor } => {
                    for camera in which {
                        cameras[*camera].exposure *= draw.range(*factor);
                    }
                }
                Bound::Color { geoms, offset } => {
                    for group in geoms {
                        let change = [0, 1, 2].map(|_| draw.range(*offset) as f32);
                        for geom in group {
                            for (part, change) in colors[*geom].iter_mut().zip(change) {
                                *part = (*part + change).clamp(0.0, 1.0);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Geoms of bodies that match, those of each body alone, or all together.
fn groups(binder: &Binder<'_>, bodies: &[String], alike: bool, path: &str) -> Result<Vec<Vec<usize>>> {
    let bodies = binder.all_bodies(bodies, path)?;
    let geoms = |bodies: &[usize]| {
        let geoms = binder.scene.model.geoms.iter().enumerate();
        geoms.filter(|(_, geom)| bodies.contains(&geom.body)).map(|(geom, _)| geom).collect()
    };
    Ok(match alike {
        true => vec![geoms(&bodies)],
        false => bodies.iter().map(|body| geoms(&[*body])).collect(),
    })
}

/// The least factor on the focal lengths of a camera that may be drawn.
pub(crate) fn least_zoom(binder: &Binder<'_>, camera: &str) -> f64 {
    let factors = binder.spec.randomize.iter().filter_map(|(_, entry)| match &entry.term {
        Randomization::FocalLength { cameras, factor }
            if cameras.iter().any(|pattern| matches_pattern(pattern, camera)) =>
        {
            Some(factor[0])
        }
        _ => None,
    });
    factors.product()
}

/// Multiplies by a draw of brightness and by one of tint for each colour.
fn scale(factor: &mut [f32; 3], draw: &mut Draw, brightness: [f64; 2], tint: [f64; 2]) {
    let brightness = draw.range(brightness);
    for part in factor {
        *part *= (brightness * draw.range(tint)) as f32;
    }
}

/// The looks of a batch, as they were drawn last.
pub(crate) struct Wardrobe {
    randomizer: LooksRandomizer,
    looks: Looks,
    /// The episode that each environment's looks are of.
    drawn: Vec<Option<u64>>,
}

impl Wardrobe {
    pub fn new(randomizer: LooksRandomizer, num_envs: usize) -> Self {
        let mut looks = Looks::default();
        if !randomizer.is_empty() {
            looks.cameras = vec![CameraLook::default(); num_envs * randomizer.num_cameras];
            looks.lights = vec![LightLook::default(); num_envs];
            looks.lamps = vec![LampLook::default(); num_envs * randomizer.num_lamps];
            looks.colors = randomizer.colors.repeat(num_envs);
            looks.materials = randomizer.materials.repeat(num_envs);
        }
        Self { randomizer, looks, drawn: vec![None; num_envs] }
    }

    /// The looks at some moments, if they are not those of the last time.
    pub fn change(&mut self, moments: &[Moment]) -> Option<&Looks> {
        let mut changed = false;
        for (index, moment) in moments.iter().enumerate() {
            if !self.randomizer.is_empty() && self.drawn[index] != Some(moment.episode) {
                let who = Who { seed: moment.seed, env: moment.env, episode: moment.episode };
                self.randomizer.draw(who.looks(), index, &mut self.looks);
                self.drawn[index] = Some(moment.episode);
                changed = true;
            }
        }
        changed.then_some(&self.looks)
    }
}
