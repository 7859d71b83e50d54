//! `<link>`: mass, shapes, colours and contact parameters.

use glam::{DMat3, DQuat, DVec3};

use super::Reader;
use crate::Pose;
use crate::error::{ErrorKind, Result};
use crate::import::xml::Element;
use crate::inertia::principal_axes;
use crate::robot::{Geom, Inertial, Shape, Softness};
use crate::validate::moments_problem;

/// Share of the largest moment by which rounding may push another one below 0.
const NEGATIVE_TOLERANCE: f64 = 1e-9;
/// Groups by custom: visual shapes are shown, collision shapes are not.
const VISUAL_GROUP: i32 = 2;
const COLLISION_GROUP: i32 = 3;

const SHAPES: [&str; 6] = ["box", "cylinder", "sphere", "capsule", "mesh", "plane"];

/// `parent_from_child` of an element's `<origin>`: `rpy` turns about the parent's x, then y, then z axis.
pub(super) fn origin(element: &Element) -> Result<Pose> {
    let Some(origin) = element.child("origin") else { return Ok(Pose::IDENTITY) };
    origin.visit();
    let [roll, pitch, yaw] = origin.array("rpy")?.unwrap_or_default();
    let rotation = DQuat::from_rotation_z(yaw) * DQuat::from_rotation_y(pitch) * DQuat::from_rotation_x(roll);
    Ok(Pose::new(origin.vec3("xyz")?.unwrap_or_default(), rotation.normalize()))
}

/// What Bullet's `<contact>` says about all shapes of a link.
#[derive(Clone, Copy)]
struct Contact {
    friction: DVec3,
    restitution: f64,
}

impl Reader<'_> {
    /// Mass, centre and principal axes; a link without `<inertial>` has no mass.
    pub(super) fn read_inertial(&mut self, link: &Element) -> Result<Inertial> {
        let Some(element) = link.child("inertial") else { return Ok(Inertial::ZERO) };
        element.visit();
        let pose = origin(element)?;
        let part = |name: &str| {
            let found = element.child(name).ok_or_else(|| {
                let message = format!("the inertial of {} lacks `<{name}>`", link.describe());
                element.error(ErrorKind::Structure, message)
            })?;
            found.visit();
            Ok::<_, crate::Error>(found)
        };
        let mass_attribute = part("mass")?.require("value")?;
        let mass = mass_attribute.f64s(1, 1)?[0];
        if mass < 0.0 {
            return Err(mass_attribute.bad("is negative").allowed("a mass of at least 0 is expected"));
        }
        let inertia = part("inertia")?;
        let (moments, axes) = principal_moments(inertia)?;
        if mass == 0.0 {
            if moments != DVec3::ZERO {
                self.report.approximated(inertia, "", "without mass the inertia is 0");
            }
            return Ok(Inertial::ZERO);
        }
        Ok(Inertial { mass, pose: Pose::new(pose.position, (pose.rotation * axes).normalize()), moments })
    }

    /// Colours that visuals refer to by name.
    pub(super) fn read_materials(&mut self, document: &Element) -> Result<()> {
        for material in document.children_named("material") {
            material.visit();
            self.read_colour(material)?;
        }
        Ok(())
    }

    pub(super) fn read_geoms(&mut self, link: &Element, body: usize) -> Result<()> {
        let contact = self.read_contact(link)?;
        let name = link.str("name").unwrap_or_default();
        for (count, visual) in link.children_named("visual").enumerate() {
            visual.visit();
            visual.str("name");
            let rgba = match visual.child("material") {
                Some(material) => self.read_colour(material)?,
                None => None,
            };
            let Some(shape) = self.read_shape(visual, false)? else { continue };
            let geom_name = self.geom_name(visual, format!("{name}_visual_{count}"));
            let mut geom = plain_geom(geom_name, body, origin(visual)?, shape);
            geom.group = VISUAL_GROUP;
            geom.rgba = rgba.unwrap_or(geom.rgba);
            self.push_geom(visual, geom)?;
        }
        for (count, collision) in link.children_named("collision").enumerate() {
            collision.visit();
            let Some(shape) = self.read_shape(collision, true)? else { continue };
            let geom_name = self.geom_name(collision, format!("{name}_collision_{count}"));
            let mut geom = plain_geom(geom_name, body, origin(collision)?, shape);
            geom.pose = geom.pose.compose(self.plane_pose(collision)?);
            geom.group = COLLISION_GROUP;
            (geom.contype, geom.conaffinity) = (1, 1);
            geom.friction = contact.friction;
            geom.restitution = contact.restitution;
            self.push_geom(collision, geom)?;
        }
        Ok(())
    }

    fn push_geom(&mut self, element: &Element, geom: Geom) -> Result<()> {
        let limit = self.options.limits.geoms;
        if self.model.geoms.len() >= limit {
            return Err(
                element.error(ErrorKind::Limit, format!("more than {limit} visual and collision shapes"))
            );
        }
        self.model.geoms.push(geom);
        Ok(())
    }

    /// The element's own name if it is free, else the given one, made free.
    fn geom_name(&mut self, element: &Element, otherwise: String) -> String {
        let own = element.str("name").filter(|name| !name.is_empty()).map(str::to_owned);
        self.geom_names.claim(&own.unwrap_or(otherwise))
    }

    /// The shape of a visual or collision element; `None` after a loss is on record.
    fn read_shape(&mut self, owner: &Element, collides: bool) -> Result<Option<Shape>> {
        let geometry = owner.child("geometry").ok_or_else(|| {
            owner.error(ErrorKind::Structure, format!("{} lacks `<geometry>`", owner.describe()))
        })?;
        geometry.visit();
        let Some(element) = geometry.children.iter().find(|c| SHAPES.contains(&c.name.as_str())) else {
            return self.unknown_shape(geometry, collides);
        };
        element.visit();
        if !collides && has_no_size(element) {
            element.visit_all();
            self.report.dropped_visual(element, "", "of size 0 it cannot be seen");
            return Ok(None);
        }
        Ok(Some(match element.name.as_str() {
            "box" => {
                let [x, y, z] = sizes(element, "size")?;
                Shape::Box { half_size: DVec3::new(x, y, z) / 2.0 }
            }
            "sphere" => Shape::Sphere { radius: size(element, "radius")? },
            "cylinder" => Shape::Cylinder {
                radius: size(element, "radius")?,
                half_length: size(element, "length")? / 2.0,
            },
            "capsule" => Shape::Capsule {
                radius: size(element, "radius")?,
                half_length: size(element, "length")? / 2.0,
            },
            "plane" => Shape::Plane { half_size: [0.0; 2] },
            _ => return self.read_mesh(element, collides),
        }))
    }

    fn unknown_shape(&mut self, geometry: &Element, collides: bool) -> Result<Option<Shape>> {
        let Some(found) = geometry.children.first() else {
            return Err(geometry
                .error(ErrorKind::Structure, "the geometry is empty")
                .allowed(format!("one of: {}", SHAPES.join(", "))));
        };
        if collides {
            return Err(found
                .error(ErrorKind::Unsupported, format!("`<{}>` is not a supported shape", found.name))
                .allowed(format!("one of: {}", SHAPES.join(", ")))
                .nearest(&found.name, SHAPES));
        }
        found.visit_all();
        self.report.dropped_visual(found, "", "not a supported shape");
        Ok(None)
    }

    /// `geom_from_plane`: Bullet gives planes by their normal, ours faces z.
    fn plane_pose(&self, owner: &Element) -> Result<Pose> {
        let Some(plane) = owner.child("geometry").and_then(|g| g.child("plane")) else {
            return Ok(Pose::IDENTITY);
        };
        let normal = plane.vec3("normal")?.unwrap_or(DVec3::Z);
        let direction = (normal / normal.abs().max_element()).try_normalize().ok_or_else(|| {
            plane
                .error_at("normal", ErrorKind::Value, format!("the plane's normal is {normal}"))
                .allowed("a vector other than 0")
        })?;
        Ok(Pose::new(DVec3::ZERO, DQuat::from_rotation_arc(DVec3::Z, direction)))
    }

    /// The colour of a material, which other visuals may name afterwards.
    fn read_colour(&mut self, material: &Element) -> Result<Option<[f32; 4]>> {
        material.visit();
        let name = material.str("name").unwrap_or_default().to_owned();
        if let Some(texture) = material.child("texture") {
            texture.visit_all();
            self.report.dropped_visual(texture, "", "textures are not supported");
        }
        let Some(colour) = material.child("color") else {
            return Ok(self.colours.get(&name).copied());
        };
        colour.visit();
        let rgba = colour.array::<4>("rgba")?.map(|rgba| rgba.map(|x| x.clamp(0.0, 1.0) as f32));
        if let Some(rgba) = rgba
            && !name.is_empty()
        {
            self.colours.insert(name, rgba);
        }
        Ok(rgba)
    }

    fn read_contact(&mut self, link: &Element) -> Result<Contact> {
        let mut contact = Contact { friction: DEFAULT_FRICTION, restitution: 0.0 };
        let Some(element) = link.child("contact") else { return Ok(contact) };
        element.visit();
        let numbers = [
            ("lateral_friction", &mut contact.friction.x),
            ("spinning_friction", &mut contact.friction.y),
            ("rolling_friction", &mut contact.friction.z),
            ("restitution", &mut contact.restitution),
        ];
        for (name, target) in numbers {
            let Some(child) = element.child(name) else { continue };
            child.visit();
            let attribute = child.require("value")?;
            let value = attribute.f64s(1, 1)?[0];
            if value < 0.0 {
                return Err(attribute.bad("is negative").allowed("a number of at least 0 is expected"));
            }
            *target = value;
        }
        Ok(contact)
    }
}

/// MuJoCo's, for shapes that say nothing.
const DEFAULT_FRICTION: DVec3 = DVec3::new(1.0, 0.005, 0.0001);

fn plain_geom(name: String, body: usize, pose: Pose, shape: Shape) -> Geom {
    Geom {
        name,
        body,
        pose,
        shape,
        contype: 0,
        conaffinity: 0,
        condim: 3,
        friction: DEFAULT_FRICTION,
        restitution: 0.0,
        priority: 0,
        solmix: 1.0,
        softness: Softness::default(),
        margin: 0.0,
        gap: 0.0,
        group: VISUAL_GROUP,
        rgba: [0.5, 0.5, 0.5, 1.0],
        material: None,
    }
}

fn principal_moments(inertia: &Element) -> Result<(DVec3, DQuat)> {
    let diagonal = |name: &str| Ok::<_, crate::Error>(inertia.require(name)?.f64s(1, 1)?[0]);
    let other = |name: &str| Ok::<_, crate::Error>(inertia.f64(name)?.unwrap_or(0.0));
    let (xx, yy, zz) = (diagonal("ixx")?, diagonal("iyy")?, diagonal("izz")?);
    let (xy, xz, yz) = (other("ixy")?, other("ixz")?, other("iyz")?);
    let matrix = DMat3::from_cols(DVec3::new(xx, xy, xz), DVec3::new(xy, yy, yz), DVec3::new(xz, yz, zz));
    let (mut moments, axes) = principal_axes(matrix);
    if moments.min_element() >= -NEGATIVE_TOLERANCE * moments.max_element() {
        moments = moments.max(DVec3::ZERO);
    }
    match moments_problem(moments) {
        Some(problem) => Err(inertia
            .error(ErrorKind::Value, problem)
            .allowed("each moment is at least 0 and at most the sum of the other two")),
        None => Ok((moments, axes)),
    }
}

/// Whether a shape is written with a size of exactly 0.
fn has_no_size(element: &Element) -> bool {
    let is_size = |name: &str| matches!(name, "size" | "radius" | "length");
    let sizes = element.attributes.iter().filter(|a| is_size(&a.name));
    sizes.filter_map(|a| a.f64s(1, 3).ok()).any(|numbers| numbers.contains(&0.0))
}

/// `N` lengths greater than 0.
fn sizes<const N: usize>(element: &Element, name: &str) -> Result<[f64; N]> {
    let attribute = element.require(name)?;
    let numbers = attribute.f64s(N, N)?;
    match <[f64; N]>::try_from(numbers) {
        Ok(numbers) if numbers.iter().all(|x| *x > 0.0) => Ok(numbers),
        _ => Err(attribute.bad("is not greater than 0").allowed("a length greater than 0 is expected")),
    }
}

fn size(element: &Element, name: &str) -> Result<f64> {
    sizes::<1>(element, name).map(|[x]| x)
}
