//! A robot as the tracer's arrays.

use std::collections::{BTreeSet, HashMap};

use glam::Vec3;
use keiko_gpu::camera::{
    Coat, Geom, HeightField, Kind, Mapping, Material, Node, Texture, Triangle, UNBOUNDED,
};
use keiko_model::robot::{self, RobotModel, Shape};
use rayon::prelude::*;

use crate::atlas::Atlas;
use crate::tree::{Bounds, Tree};
use crate::{coat, look};

/// Geoms of this group and above are collision shapes that nobody looks at, by MJCF's custom.
const HIDDEN_GROUP: i32 = 3;
/// Bounding spheres are a little larger than what they bound: f32 rounds.
const MARGIN: f32 = 1.0001;

/// Everything that is the same in every environment and at every step.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    pub geoms: Vec<Geom>,
    /// Coats of each geom with each material of the model, where geoms can be given others `[geoms, materials]`: one more than the
    /// index, 0 without.
    pub wardrobe: Vec<u32>,
    pub materials: Vec<Material>,
    pub coats: Vec<Coat>,
    pub textures: Vec<Texture>,
    pub texels: Vec<u32>,
    /// Places of the corners of triangles in a picture `[triangles, 3]`; empty if no geom needs them.
    pub texcoords: Vec<[f32; 2]>,
    /// Light of each byte of a texel.
    pub linear: Vec<f32>,
    pub nodes: Vec<Node>,
    pub triangles: Vec<Triangle>,
    pub fields: Vec<HeightField>,
    pub heights: Vec<f32>,
}

impl Assets {
    /// The shapes of a model that are seen; `varied` ones can be given other materials, and `class_of` gives the class of a geom.
    pub fn new(model: &RobotModel, varied: bool, class_of: impl Fn(&robot::Geom) -> u32) -> Self {
        let mut assets = Self::default();
        let mut trees = trees(model);
        // Root and bounds of each mesh that somebody shows, so that instances share it.
        let mut meshes: Vec<Option<(u32, Bounds)>> = vec![None; model.meshes.len()];
        let first_fields: Vec<u32> = (0..model.height_fields.len() as u32).collect();
        for field in &model.height_fields {
            assets.add_field(field);
        }
        let atlas = Atlas::new(&model.textures, &used_textures(model, varied));
        // Of each material, what its finish mirrors: geoms share it.
        let mut finished: Vec<Option<Coat>> = vec![None; model.materials.len()];
        for (id, geom) in visible(model) {
            let (kind, size, asset, center, radius) = match &geom.shape {
                Shape::Plane { half_size: [x, y] } => {
                    let radius = if *x > 0.0 && *y > 0.0 { x.hypot(*y) as f32 } else { UNBOUNDED };
                    (Kind::Plane, [*x, *y, 0.0], 0, Vec3::ZERO, radius)
                }
                Shape::Sphere { radius } => {
                    (Kind::Sphere, [*radius, 0.0, 0.0], 0, Vec3::ZERO, *radius as f32)
                }
                Shape::Capsule { radius, half_length } => {
                    let bound = (radius + half_length) as f32;
                    (Kind::Capsule, [*radius, *half_length, 0.0], 0, Vec3::ZERO, bound)
                }
                Shape::Cylinder { radius, half_length } => {
                    let bound = radius.hypot(*half_length) as f32;
                    (Kind::Cylinder, [*radius, *half_length, 0.0], 0, Vec3::ZERO, bound)
                }
                Shape::Box { half_size } => {
                    (Kind::Box, half_size.to_array(), 0, Vec3::ZERO, half_size.length() as f32)
                }
                Shape::Ellipsoid { radii } => {
                    (Kind::Ellipsoid, radii.to_array(), 0, Vec3::ZERO, radii.max_element() as f32)
                }
                Shape::Mesh { mesh } => {
                    let (root, bounds) = *meshes[*mesh]
                        .get_or_insert_with(|| assets.add_mesh(&model.meshes[*mesh], trees.remove(mesh)));
                    let center = 0.5 * (bounds.low + bounds.high);
                    let farthest = model.meshes[*mesh]
                        .vertices
                        .iter()
                        .map(|v| center.distance(Vec3::from_array(*v)))
                        .fold(0.0, f32::max);
                    (Kind::Mesh, [0.0; 3], root, center, farthest)
                }
                Shape::HeightField { height_field } => {
                    let field = assets.fields[*height_field];
                    let half_height = 0.5 * (field.top + field.base);
                    let center = Vec3::new(0.0, 0.0, 0.5 * (field.top - field.base));
                    let radius = Vec3::new(field.half[0], field.half[1], half_height).length();
                    (Kind::HeightField, [0.0; 3], first_fields[*height_field], center, radius)
                }
            };
            let [r, g, b, _] = geom.rgba;
            let coat = match varied {
                true => assets.add_wardrobe(model, geom, &atlas, &mut finished),
                false => assets.add_coat(model, geom, geom.material, &atlas, &mut finished),
            };
            assets.materials.push(look::material(&geom.shape, [r, g, b], coat, assets.is_pictured(coat)));
            assets.geoms.push(Geom {
                rotation: geom.pose.rotation.as_quat().to_array(),
                position: geom.pose.position.as_vec3().to_array(),
                body: geom.body as u32,
                size: size.map(|x| x as f32),
                kind: kind as u32,
                center: center.to_array(),
                radius: radius * MARGIN,
                asset,
                material: assets.materials.len() as u32 - 1,
                id: id as u32,
                class_id: class_of(geom),
            });
        }
        let needs_places =
            assets.coats.iter().any(|coat| coat.texture > 0 && coat.mapping == Mapping::ByTriangle as u32);
        if !needs_places {
            assets.texcoords = Vec::new();
        }
        (assets.textures, assets.texels) = (atlas.levels, atlas.texels);
        assets.linear = (0..=255u8).map(|byte| look::linear(f32::from(byte) / 255.0)).collect();
        assets
    }

    /// Adds what can lie on a geom; gives what does by itself.
    fn add_wardrobe(
        &mut self,
        model: &RobotModel,
        geom: &robot::Geom,
        atlas: &Atlas,
        finished: &mut [Option<Coat>],
    ) -> u32 {
        let first = self.wardrobe.len();
        for material in 0..model.materials.len() {
            let coat = self.add_coat(model, geom, Some(material), atlas, finished);
            self.wardrobe.push(coat);
        }
        geom.material.map_or(0, |material| self.wardrobe[first + material])
    }

    /// Adds what lies on a geom of a material; one more than its index, or 0 if there is nothing.
    fn add_coat(
        &mut self,
        model: &RobotModel,
        geom: &robot::Geom,
        material: Option<usize>,
        atlas: &Atlas,
        finished: &mut [Option<Coat>],
    ) -> u32 {
        let Some(index) = material else { return 0 };
        let material = &model.materials[index];
        let mut coat = match &material.finish {
            Some(finish) => *finished[index].get_or_insert_with(|| coat::of_finish(finish)),
            None if material.texture.is_none() => return 0,
            None => Coat::default(),
        };
        if let Some(used) = &material.texture {
            let (first, levels) = atlas.places[used.texture];
            (coat.texture, coat.levels) = (first + 1, levels);
            coat::lay(&mut coat, used, model.textures[used.texture].kind, &geom.shape, model);
        }
        self.coats.push(coat);
        self.coats.len() as u32
    }

    /// Whether a geom with this coat shows a picture.
    pub fn is_pictured(&self, coat: u32) -> bool {
        coat > 0 && self.coats[coat as usize - 1].texture > 0
    }

    /// Whether there is a finish, and whether there is a texture.
    pub fn coated(&self) -> [bool; 2] {
        [self.coats.iter().any(|coat| coat.alpha > 0.0), self.coats.iter().any(|coat| coat.texture > 0)]
    }

    /// Adds a mesh; its root's index and its box.
    fn add_mesh(&mut self, mesh: &robot::Mesh, tree: Option<Tree>) -> (u32, Bounds) {
        let (first_node, first_triangle) = (self.nodes.len() as u32, self.triangles.len() as u32);
        let Tree { nodes, triangles, order } = tree.unwrap_or_else(|| Tree::build(mesh));
        for k in order {
            self.texcoords.extend(mesh.texcoords.get(k as usize).copied().unwrap_or_default());
        }
        let bounds = Bounds { low: nodes[0].low.into(), high: nodes[0].high.into() };
        self.nodes.extend(nodes.into_iter().map(|node| Node {
            first: node.first + if node.count > 0 { first_triangle } else { first_node },
            ..node
        }));
        self.triangles.extend(triangles);
        (first_node, bounds)
    }

    fn add_field(&mut self, field: &robot::HeightField) {
        self.fields.push(HeightField {
            half: field.half_size.map(|x| x as f32),
            base: field.base as f32,
            top: field.heights.iter().copied().fold(0.0, f32::max),
            columns: field.num_cols as u32,
            rows: field.num_rows as u32,
            first: self.heights.len() as u32,
            pad: 0,
        });
        self.heights.extend(&field.heights);
    }

    /// Whether there is a geom of a kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.geoms.iter().any(|geom| geom.kind == kind as u32)
    }
}

/// Whether each texture is on something that is seen, or can be.
fn used_textures(model: &RobotModel, varied: bool) -> Vec<bool> {
    let mut used = vec![varied; model.textures.len()];
    for material in visible(model).into_iter().filter_map(|(_, geom)| geom.material) {
        if let Some(on) = &model.materials[material].texture {
            used[on.texture] = true;
        }
    }
    used
}

/// The trees of the meshes that are seen, built side by side.
fn trees(model: &RobotModel) -> HashMap<usize, Tree> {
    let shown = visible(model).into_iter().filter_map(|(_, geom)| match geom.shape {
        Shape::Mesh { mesh } => Some(mesh),
        _ => None,
    });
    let shown: BTreeSet<usize> = shown.collect();
    shown.into_par_iter().map(|mesh| (mesh, Tree::build(&model.meshes[mesh]))).collect()
}

/// The geoms that are looked at, with their indices: those outside the hidden groups; of a model that has no others,
/// all. What is wholly transparent is never seen.
pub fn visible(model: &RobotModel) -> Vec<(usize, &robot::Geom)> {
    let shown = |geom: &robot::Geom| geom.group < HIDDEN_GROUP;
    let all = || model.geoms.iter().enumerate().filter(|(_, geom)| geom.rgba[3] > 0.0);
    // A floor alone is no picture of a robot.
    let any_shown = all().any(|(_, geom)| shown(geom) && !matches!(geom.shape, Shape::Plane { .. }));
    all().filter(|(_, geom)| shown(geom) || !any_shown).collect()
}
