//! `<material>`: how a surface sends light back, and the picture on it.

use super::Reader;
use super::defaults::MAIN;
use super::names::Target;
use crate::error::Result;
use crate::import::xml::{Attribute, Element};
use crate::material::{Finish, Material, TextureUse};

/// The exponent of MuJoCo's highlight at shininess 1.
const MOST_SHININESS: f64 = 128.0;

/// Attributes, defaults first.
#[derive(Default)]
struct Spec<'a> {
    rgba: Option<[f64; 4]>,
    specular: Option<f64>,
    shininess: Option<f64>,
    roughness: Option<f64>,
    metallic: Option<f64>,
    emission: Option<f64>,
    reflectance: Option<f64>,
    texture: Option<&'a Attribute>,
    repeat: Option<[f64; 2]>,
    uniform: Option<bool>,
}

impl<'a> Spec<'a> {
    fn apply(&mut self, e: &'a Element) -> Result<()> {
        self.rgba = e.array("rgba")?.or(self.rgba);
        self.specular = e.f64("specular")?.or(self.specular);
        self.shininess = e.f64("shininess")?.or(self.shininess);
        // Below 0 they say nothing.
        self.roughness = e.f64("roughness")?.or(self.roughness).filter(|x| *x >= 0.0);
        self.metallic = e.f64("metallic")?.or(self.metallic).filter(|x| *x >= 0.0);
        self.emission = e.f64("emission")?.or(self.emission);
        self.reflectance = e.f64("reflectance")?.or(self.reflectance);
        self.texture = e.get("texture").or(self.texture);
        self.repeat = e.array("texrepeat")?.or(self.repeat);
        self.uniform = e.bool("texuniform")?.or(self.uniform);
        Ok(())
    }

    /// None for a material that says nothing but its colour.
    ///
    /// A highlight of Blinn's exponent `n` is about as wide as GGX's with α² = 2 / (n + 2) (Walter and others 2007); MuJoCo's
    /// usual `specular`, 0.5, is taken as the 4 % that plastics mirror.
    fn finish(&self) -> Option<Finish> {
        let given =
            [self.specular, self.shininess, self.roughness, self.metallic, self.emission, self.reflectance];
        if given.iter().all(Option::is_none) {
            return None;
        }
        let exponent = MOST_SHININESS * self.shininess.unwrap_or(0.5).clamp(0.0, 1.0);
        let from_shininess = (2.0 / (exponent + 2.0)).powf(0.25);
        Some(Finish {
            roughness: self.roughness.unwrap_or(from_shininess).min(1.0),
            metallic: self.metallic.unwrap_or(0.0).min(1.0),
            specular: self.specular.unwrap_or(0.5).clamp(0.0, 1.0),
            emission: self.emission.unwrap_or(0.0).max(0.0),
        })
    }
}

impl<'a> Reader<'a> {
    pub(super) fn read_material(&mut self, e: &'a Element) -> Result<()> {
        e.visit();
        let mut spec = Spec::default();
        for source in self.defaults.for_element(e, MAIN, &["material"])?.into_iter().chain([e]) {
            spec.apply(source)?;
            for layer in source.children_named("layer") {
                layer.visit();
                match layer.str("role") {
                    Some("rgb") => spec.texture = layer.get("texture"),
                    _ => {
                        layer.visit_all();
                        self.report.dropped_visual(layer, "", "only textures of colours are read");
                    }
                }
            }
        }
        let beyond = |x: Option<f64>| x.is_some_and(|x| !(0.0..=1.0).contains(&x));
        if [spec.specular, spec.shininess, spec.roughness, spec.metallic].into_iter().any(beyond) {
            self.report.approximated_visual(e, "", "shares are taken as from 0 to 1");
        }
        if spec.reflectance.is_some_and(|share| share > 0.0) {
            self.report.dropped_visual(e, "`reflectance`", "mirror images are not traced");
        }
        let texture = match spec.texture {
            Some(attribute) => match self.textures.find(attribute)? {
                Target::Kept(texture) => Some(TextureUse {
                    texture,
                    repeat: spec.repeat.unwrap_or([1.0; 2]),
                    uniform: spec.uniform.unwrap_or(false),
                }),
                Target::Dropped => None,
            },
            None => None,
        };
        let index = self.model.materials.len();
        let name = self.materials.claim(e, "", Target::Kept(index), self.limits)?;
        let rgba = spec.rgba.map(|c| c.map(|x| x as f32));
        self.model.materials.push(Material { name, finish: spec.finish(), texture, rgba });
        Ok(())
    }
}
