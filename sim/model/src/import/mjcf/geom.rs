//! `<geom>` and `<site>`.

use glam::{DQuat, DVec3};

use super::Reader;
use super::asset::MeshAsset;
use super::compiler::{Compiler, EPSILON, rotation_from_z};
use super::inertia::{self, Solid};
use super::joint::apply_softness;
use super::names::Target;
use super::option::unsupported;
use crate::Pose;
use crate::error::{ErrorKind, Result};
use crate::import::xml::{Attribute, Element};
use crate::mesh::DegenerateMesh;
use crate::robot::{Geom, Inertial, Shape, Site, Softness};

const TYPES: [&str; 9] =
    ["plane", "hfield", "sphere", "capsule", "ellipsoid", "cylinder", "box", "mesh", "sdf"];

/// A geom's attributes, defaults first.
struct GeomSpec<'a> {
    kind: &'static str,
    pos: DVec3,
    rotation: DQuat,
    fromto: Option<[f64; 6]>,
    size: [f64; 3],
    mesh: Option<&'a Attribute>,
    height_field: Option<&'a Attribute>,
    fit_scale: f64,
    mass: Option<f64>,
    density: f64,
    shell: bool,
    colour: Option<[f64; 4]>,
    material: Option<&'a Attribute>,
    geom: Geom,
}

impl<'a> GeomSpec<'a> {
    fn new(body: usize) -> Self {
        Self {
            kind: "sphere",
            pos: DVec3::ZERO,
            rotation: DQuat::IDENTITY,
            fromto: None,
            size: [0.0; 3],
            mesh: None,
            height_field: None,
            fit_scale: 1.0,
            mass: None,
            density: 1000.0,
            shell: false,
            colour: None,
            material: None,
            geom: Geom {
                name: String::new(),
                body,
                pose: Pose::IDENTITY,
                shape: Shape::Sphere { radius: 0.0 },
                contype: 1,
                conaffinity: 1,
                condim: 3,
                friction: DVec3::new(1.0, 0.005, 0.0001),
                restitution: 0.0,
                priority: 0,
                solmix: 1.0,
                softness: Softness::default(),
                margin: 0.0,
                gap: 0.0,
                group: 0,
                rgba: [0.5, 0.5, 0.5, 1.0],
                material: None,
            },
        }
    }

    fn apply(&mut self, e: &'a Element, compiler: &Compiler) -> Result<()> {
        if let Some(kind) = e.keyword("type", &TYPES)? {
            self.kind = TYPES[kind];
        }
        self.pos = e.vec3("pos")?.unwrap_or(self.pos);
        self.rotation = compiler.orientation(e)?.unwrap_or(self.rotation);
        self.fromto = e.array("fromto")?.or(self.fromto);
        e.overlay("size", &mut self.size)?;
        self.mesh = e.get("mesh").or(self.mesh);
        self.height_field = e.get("hfield").or(self.height_field);
        self.fit_scale = e.f64("fitscale")?.unwrap_or(self.fit_scale);
        self.mass = e.f64("mass")?.or(self.mass);
        self.density = e.f64("density")?.unwrap_or(self.density);
        self.shell = e.bool("shellinertia")?.unwrap_or(self.shell);
        self.colour = e.array("rgba")?.or(self.colour);
        self.material = e.get("material").or(self.material);
        for (value, name) in [(self.mass.unwrap_or(0.0), "mass"), (self.density, "density")] {
            if value < 0.0 {
                let message = format!("{}: the {name} is {value}", e.describe());
                return Err(e.error_at(name, ErrorKind::Value, message).allowed("0 or more"));
            }
        }
        self.apply_contact(e)
    }

    fn apply_contact(&mut self, e: &Element) -> Result<()> {
        let geom = &mut self.geom;
        // The masks are bits: a negative number has them too.
        geom.contype = e.i32("contype")?.map_or(geom.contype, i32::cast_unsigned);
        geom.conaffinity = e.i32("conaffinity")?.map_or(geom.conaffinity, i32::cast_unsigned);
        if let Some(condim) = e.i32("condim")? {
            if ![1, 3, 4, 6].contains(&condim) {
                let message = format!("{}: `condim` is {condim}", e.describe());
                return Err(e.error_at("condim", ErrorKind::Value, message).allowed("1, 3, 4 or 6"));
            }
            geom.condim = condim as u8;
        }
        let mut friction = geom.friction.to_array();
        e.overlay("friction", &mut friction)?;
        geom.friction = DVec3::from_array(friction);
        if friction.iter().any(|f| *f < 0.0) {
            let message = format!("{}: a negative friction", e.describe());
            return Err(e.error_at("friction", ErrorKind::Value, message).allowed("0 or more"));
        }
        geom.group = e.i32("group")?.unwrap_or(geom.group);
        geom.priority = e.i32("priority")?.unwrap_or(geom.priority);
        geom.solmix = e.f64("solmix")?.unwrap_or(geom.solmix);
        geom.margin = e.f64("margin")?.unwrap_or(geom.margin);
        geom.gap = e.f64("gap")?.unwrap_or(geom.gap);
        apply_softness(&mut geom.softness, e, "solref", "solimp")
    }

    /// `fromto` gives pose and length instead of `pos` and `size[1]`.
    fn apply_fromto(&mut self, e: &Element) -> Result<()> {
        let Some(ends) = self.fromto else { return Ok(()) };
        let bad = |message: &str| {
            let message = format!("{}: {message}", e.describe());
            Err(e.error_at("fromto", ErrorKind::Structure, message))
        };
        if !matches!(self.kind, "capsule" | "cylinder" | "ellipsoid" | "box") {
            return bad("`fromto` needs a capsule, cylinder, box or ellipsoid");
        }
        if self.mesh.is_some() {
            return bad("`fromto` cannot be used with a mesh");
        }
        let (from, to) = (DVec3::from_slice(&ends[..3]), DVec3::from_slice(&ends[3..]));
        let axis = from - to;
        if axis.length() / 2.0 < EPSILON {
            return bad("the points of `fromto` are too close");
        }
        self.size[1] = axis.length() / 2.0;
        if matches!(self.kind, "box" | "ellipsoid") {
            self.size = [self.size[0], self.size[0], self.size[1]];
        }
        self.pos = (from + to) / 2.0;
        self.rotation = rotation_from_z(axis.normalize());
        Ok(())
    }

    fn check_size(&self, e: &Element) -> Result<()> {
        let needed: &[usize] = match self.kind {
            "plane" => &[2],
            "sphere" => &[0],
            "capsule" | "cylinder" => &[0, 1],
            "box" | "ellipsoid" => &[0, 1, 2],
            _ => &[],
        };
        if let Some(&i) = needed.iter().find(|i| self.size[**i] <= 0.0) {
            let message = format!(
                "{}: number {} of the size of a {} is {}",
                e.describe(),
                i + 1,
                self.kind,
                self.size[i]
            );
            return Err(e.error_at("size", ErrorKind::Value, message).allowed("a positive number"));
        }
        Ok(())
    }

    fn primitive(&self) -> (Shape, Solid) {
        let [a, b, c] = self.size;
        let massless = Solid { volume: 0.0, moments_per_mass: DVec3::ZERO };
        match self.kind {
            "plane" => (Shape::Plane { half_size: [a, b] }, massless),
            "capsule" => (Shape::Capsule { radius: a, half_length: b }, inertia::capsule(a, b, self.shell)),
            "cylinder" => {
                (Shape::Cylinder { radius: a, half_length: b }, inertia::cylinder(a, b, self.shell))
            }
            "box" => {
                let half_size = DVec3::new(a, b, c);
                (Shape::Box { half_size }, inertia::cuboid(half_size, self.shell))
            }
            "ellipsoid" => {
                let radii = DVec3::new(a, b, c);
                (Shape::Ellipsoid { radii }, inertia::ellipsoid(radii, self.shell))
            }
            _ => (Shape::Sphere { radius: a }, inertia::sphere(a, self.shell)),
        }
    }

    /// Takes size and place of a primitive from a mesh; returns the centre in the mesh's inertial frame.
    fn fit(&mut self, mesh: &MeshAsset, fit_aabb: bool) -> std::result::Result<DVec3, DegenerateMesh> {
        let (half, centre) = if fit_aabb {
            ((mesh.bounds[1] - mesh.bounds[0]) / 2.0, (mesh.bounds[0] + mesh.bounds[1]) / 2.0)
        } else {
            (mesh.inertia_box()?, DVec3::ZERO)
        };
        let size = match (self.kind, fit_aabb) {
            ("sphere", true) => [half.max_element(), 0.0, 0.0],
            ("sphere", false) => [half.element_sum() / 3.0, 0.0, 0.0],
            ("capsule", true) => [half.x.max(half.y), half.z - half.x.max(half.y), 0.0],
            ("capsule", false) => {
                let radius = (half.x + half.y) / 2.0;
                [radius, (half.z - radius / 2.0).max(0.0), 0.0]
            }
            ("cylinder", true) => [half.x.max(half.y), half.z, 0.0],
            ("cylinder", false) => [(half.x + half.y) / 2.0, half.z, 0.0],
            _ => half.to_array(),
        };
        self.size = size.map(|s| s * self.fit_scale);
        Ok(centre)
    }
}

/// What a geom adds to its body's mass.
pub(super) struct GeomMass {
    pub inertial: Inertial,
    pub group: i32,
}

/// Where a geom or site is read: its body, the frames around it and the class in force.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub body: usize,
    pub frame: Pose,
    pub class: &'s str,
    pub suffix: &'s str,
}

impl<'a> Reader<'a> {
    /// Reads a geom; with `weighs` also its mass.
    pub(super) fn read_geom(
        &mut self,
        e: &'a Element,
        scope: Scope<'_>,
        weighs: bool,
    ) -> Result<Option<GeomMass>> {
        e.visit();
        if let Some(plugin) = e.child("plugin") {
            return Err(unsupported(plugin, "a geom with a plugin"));
        }
        if self.model.geoms.len() >= self.limits.geoms {
            let message = format!("the model has more than {} geoms", self.limits.geoms);
            return Err(e.error(ErrorKind::Limit, message));
        }
        let mut spec = GeomSpec::new(scope.body);
        for source in self.defaults.for_element(e, scope.class, &["geom"])?.into_iter().chain([e]) {
            spec.apply(source, &self.compiler)?;
        }
        if spec.kind == "sdf" {
            return Err(unsupported(e, "the geom type `sdf`"));
        }
        spec.apply_fromto(e)?;
        let mut pose = Pose::new(spec.pos, spec.rotation);
        let (shape, solid) = self.geom_shape(e, &mut spec, &mut pose)?;
        let group = spec.geom.group;
        spec.geom.material = match spec.material.filter(|name| !name.value.is_empty()) {
            Some(name) => match self.materials.find(name)? {
                Target::Kept(material) => Some(material),
                Target::Dropped => None,
            },
            None => None,
        };
        // MuJoCo's materials are white where they say nothing.
        let colour = spec.geom.material.map(|m| self.model.materials[m].rgba.unwrap_or([1.0; 4]));
        let rgba = spec.colour.map(|c| c.map(|x| x as f32)).or(colour).unwrap_or(spec.geom.rgba);
        let pose = scope.frame.compose(pose);
        let index = self.model.geoms.len();
        let name = self.geoms.claim(e, scope.suffix, Target::Kept(index), self.limits)?;
        self.model.geoms.push(Geom { name, pose, shape, rgba, ..spec.geom });
        if !weighs || spec.mass == Some(0.0) || (spec.mass.is_none() && spec.density == 0.0) {
            return Ok(None);
        }
        let solid = solid.map_err(|reason| {
            e.error(ErrorKind::Value, format!("{} weighs by its mesh: {reason}", e.describe())).allowed(
                "give the body an `<inertial>`, the geom `mass=\"0\"`, or the mesh `inertia=\"shell\"`",
            )
        })?;
        if solid.volume <= EPSILON {
            return Ok(None);
        }
        let mass = spec.mass.unwrap_or(spec.density * solid.volume);
        let inertial = Inertial { mass, pose, moments: solid.moments_per_mass * mass };
        Ok(Some(GeomMass { inertial, group }))
    }

    /// Shape and mass properties; a mesh's frame is multiplied to `pose`.
    fn geom_shape(
        &self,
        e: &Element,
        spec: &mut GeomSpec<'a>,
        pose: &mut Pose,
    ) -> Result<(Shape, std::result::Result<Solid, DegenerateMesh>)> {
        let missing =
            |what: &str| Err(e.error(ErrorKind::Structure, format!("{} lacks its `{what}`", e.describe())));
        if spec.kind == "hfield" {
            let Some(attribute) = spec.height_field else { return missing("hfield") };
            let Target::Kept(height_field) = self.height_fields.find(attribute)? else {
                return missing("hfield");
            };
            let massless = Solid { volume: 0.0, moments_per_mass: DVec3::ZERO };
            return Ok((Shape::HeightField { height_field }, Ok(massless)));
        }
        let Some(attribute) = spec.mesh else {
            if spec.kind == "mesh" {
                return missing("mesh");
            }
            spec.check_size(e)?;
            let (shape, solid) = spec.primitive();
            return Ok((shape, Ok(solid)));
        };
        let Target::Kept(index) = self.meshes.find(attribute)? else { return missing("mesh") };
        let asset = &self.mesh_assets[index];
        if spec.kind == "mesh" {
            *pose = pose.compose(asset.frame);
            return Ok((Shape::Mesh { mesh: index }, asset.solid.clone()));
        }
        if spec.kind == "plane" {
            let message = format!("{}: a plane cannot be fitted to a mesh", e.describe());
            return Err(attribute.error(ErrorKind::Structure, message));
        }
        let centre = spec.fit(asset, self.compiler.fit_aabb).map_err(|reason| {
            attribute.error(ErrorKind::Value, format!("{} is fitted to its mesh: {reason}", e.describe()))
        })?;
        *pose = pose.compose(asset.frame.compose(Pose::from_position(centre)));
        spec.check_size(e)?;
        let (shape, solid) = spec.primitive();
        Ok((shape, Ok(solid)))
    }

    pub(super) fn read_site(&mut self, e: &'a Element, scope: Scope<'_>) -> Result<()> {
        e.visit();
        let (mut pose, mut fromto) = (Pose::IDENTITY, None);
        for source in self.defaults.for_element(e, scope.class, &["site"])?.into_iter().chain([e]) {
            pose.position = source.vec3("pos")?.unwrap_or(pose.position);
            pose.rotation = self.compiler.orientation(source)?.unwrap_or(pose.rotation);
            fromto = source.array::<6>("fromto")?.or(fromto);
        }
        if let Some(ends) = fromto {
            let (from, to) = (DVec3::from_slice(&ends[..3]), DVec3::from_slice(&ends[3..]));
            if (from - to).length() < EPSILON {
                return Err(e.error_at("fromto", ErrorKind::Value, "the points of `fromto` are too close"));
            }
            pose = Pose::new((from + to) / 2.0, rotation_from_z((from - to).normalize()));
        }
        let index = self.model.sites.len();
        let name = self.sites.claim(e, scope.suffix, Target::Kept(index), self.limits)?;
        self.model.sites.push(Site { name, body: scope.body, pose: scope.frame.compose(pose) });
        Ok(())
    }
}
