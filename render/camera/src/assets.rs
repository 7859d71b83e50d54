//! A robot as the tracer's arrays.

use glam::Vec3;
use keiko_gpu::camera::{Geom, HeightField, Kind, Material, Node, Triangle, UNBOUNDED};
use keiko_model::robot::{self, RobotModel, Shape};

use crate::look;
use crate::tree::{self, Bounds};

/// Geoms of this group and above are collision shapes that nobody looks at, by MJCF's custom.
const HIDDEN_GROUP: i32 = 3;
/// Bounding spheres are a little larger than what they bound: f32 rounds.
const MARGIN: f32 = 1.0001;

/// Everything that is the same in every environment and at every step.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    pub geoms: Vec<Geom>,
    pub materials: Vec<Material>,
    pub nodes: Vec<Node>,
    pub triangles: Vec<Triangle>,
    pub fields: Vec<HeightField>,
    pub heights: Vec<f32>,
}

impl Assets {
    /// The shapes of a model that are seen; `class_of` gives the class of a geom.
    pub fn new(model: &RobotModel, class_of: impl Fn(&robot::Geom) -> u32) -> Self {
        let mut assets = Self::default();
        // Root and bounds of each mesh that somebody shows, so that instances share it.
        let mut meshes: Vec<Option<(u32, Bounds)>> = vec![None; model.meshes.len()];
        let first_fields: Vec<u32> = (0..model.height_fields.len() as u32).collect();
        for field in &model.height_fields {
            assets.add_field(field);
        }
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
                    let (root, bounds) =
                        *meshes[*mesh].get_or_insert_with(|| assets.add_mesh(&model.meshes[*mesh]));
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
            assets.materials.push(look::material(&geom.shape, [r, g, b]));
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
        assets
    }

    /// Adds a mesh; its root's index and its box.
    fn add_mesh(&mut self, mesh: &robot::Mesh) -> (u32, Bounds) {
        let (first_node, first_triangle) = (self.nodes.len() as u32, self.triangles.len() as u32);
        let (nodes, triangles) = tree::build(mesh);
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

/// The geoms that are looked at, with their indices: those outside the hidden groups; of a model that has no others,
/// all. What is wholly transparent is never seen.
pub fn visible(model: &RobotModel) -> Vec<(usize, &robot::Geom)> {
    let shown = |geom: &robot::Geom| geom.group < HIDDEN_GROUP;
    let all = || model.geoms.iter().enumerate().filter(|(_, geom)| geom.rgba[3] > 0.0);
    // A floor alone is no picture of a robot.
    let any_shown = all().any(|(_, geom)| shown(geom) && !matches!(geom.shape, Shape::Plane { .. }));
    all().filter(|(_, geom)| shown(geom) || !any_shown).collect()
}
