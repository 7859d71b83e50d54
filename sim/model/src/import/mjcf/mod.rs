//! MJCF, MuJoCo's format, lowered to a [`RobotModel`].
//!
//! One pass in the order of dependence: settings, defaults, assets, bodies, then what refers to them. Every element
//! and attribute is known to `schema`; what no reader asks for is recorded as a loss at the end, so that nothing
//! is lost in silence. The conventions that MuJoCo applies when it compiles a file (inertial frames of meshes,
//! mass from geoms, order of joints and geoms) are applied here.

mod actuator;
mod asset;
mod body;
mod camera;
mod compiler;
mod constraint;
mod defaults;
mod geom;
mod include;
mod inertia;
mod joint;
mod keyframe;
mod light;
mod loss;
mod material;
mod names;
mod option;
mod reflect;
mod schema;
mod sensor;
mod texture;

use self::asset::MeshAsset;
use self::camera::Following;
use self::compiler::Compiler;
use self::defaults::Defaults;
use self::light::AimedLight;
use self::names::Names;
use super::report::LossReport;
use super::xml::Element;
use super::{AssetRoot, Import, Limits};
use crate::error::{Location, Result};
use crate::robot::{Body, Inertial, RobotModel};

/// Lowers a parsed MJCF file.
///
/// # Errors
/// As [`load`](super::load).
pub fn lower(mut root: Element, files: &AssetRoot, limits: &Limits) -> Result<Import> {
    include::expand(&mut root, files, limits)?;
    schema::check(&root)?;
    let mut reader = Reader::new(&root, files, limits)?;
    reader.read()?;
    let Reader { model, mut report, .. } = reader;
    loss::report_unread(&root, &mut report);
    loss::count_kept(&model, &mut report);
    Ok(Import { model, report })
}

/// What is known while a file is read.
struct Reader<'a> {
    root: &'a Element,
    files: &'a AssetRoot,
    limits: &'a Limits,
    compiler: Compiler,
    defaults: Defaults<'a>,
    model: RobotModel,
    report: LossReport,
    /// Element of each body; the world has the root's.
    body_elements: Vec<&'a Element>,
    mesh_assets: Vec<MeshAsset>,
    bodies: Names,
    joints: Names,
    geoms: Names,
    sites: Names,
    cameras: Names,
    lights: Names,
    aimed_lights: Vec<AimedLight<'a>>,
    following_cameras: Vec<Following<'a>>,
    meshes: Names,
    materials: Names,
    textures: Names,
    height_fields: Names,
    tendons: Names,
    actuators: Names,
    sensors: Names,
    equalities: Names,
    keyframes: Names,
    /// For each control input of the file, the actuator that has it, if it was kept.
    controls: Vec<Option<usize>>,
    /// Joints whose spring is given by time constant \[s\] and damping ratio.
    spring_dampers: Vec<(usize, [f64; 2])>,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Element, files: &'a AssetRoot, limits: &'a Limits) -> Result<Self> {
        root.visit();
        let mut model =
            RobotModel { name: root.str("model").unwrap_or("MuJoCo Model").to_owned(), ..Default::default() };
        model.bodies.push(Body {
            name: "world".to_owned(),
            parent: 0,
            pose: crate::Pose::IDENTITY,
            inertial: Inertial::ZERO,
            joints: 0..0,
            gravity_compensation: 0.0,
            mocap: false,
        });
        let mut bodies = Names::new("body");
        bodies.insert("world", 0, Location::file(root.file()));
        Ok(Self {
            root,
            files,
            limits,
            compiler: Compiler::default(),
            defaults: Defaults::read(root)?,
            model,
            report: LossReport::default(),
            body_elements: vec![root],
            mesh_assets: Vec::new(),
            bodies,
            joints: Names::new("joint"),
            geoms: Names::new("geom"),
            sites: Names::new("site"),
            cameras: Names::new("camera"),
            lights: Names::new("light"),
            aimed_lights: Vec::new(),
            following_cameras: Vec::new(),
            meshes: Names::new("mesh"),
            materials: Names::new("material"),
            textures: Names::new("texture"),
            height_fields: Names::new("height field"),
            tendons: Names::new("tendon"),
            actuators: Names::new("actuator"),
            sensors: Names::new("sensor"),
            equalities: Names::new("equality"),
            keyframes: Names::new("keyframe"),
            controls: Vec::new(),
            spring_dampers: Vec::new(),
        })
    }

    fn read(&mut self) -> Result<()> {
        for section in self.root.children_named("compiler") {
            self.compiler.apply(section)?;
        }
        self.refuse_unsupported()?;
        self.read_options()?;
        self.read_assets()?;
        self.read_bodies()?;
        self.read_headlight()?;
        self.aim_lights()?;
        self.place_cameras()?;
        self.read_tendons()?;
        self.read_contacts()?;
        self.read_equalities()?;
        self.read_actuators()?;
        self.read_sensors()?;
        self.name_the_nameless();
        self.read_keyframes()?;
        self.resolve_ratios();
        self.apply_flags()
    }

    /// Sections of one name, each with its children, in file order.
    fn items(&self, section: &'a str) -> Vec<&'a Element> {
        let sections = self.root.children_named(section);
        sections.inspect(|s| s.visit()).flat_map(|s| s.children.iter()).collect()
    }

    fn name_the_nameless(&mut self) {
        let model = &mut self.model;
        self.bodies.fill(model.bodies.iter_mut().map(|x| &mut x.name));
        self.joints.fill(model.joints.iter_mut().map(|x| &mut x.name));
        self.geoms.fill(model.geoms.iter_mut().map(|x| &mut x.name));
        self.sites.fill(model.sites.iter_mut().map(|x| &mut x.name));
        self.lights.fill(model.file_light.lamps.iter_mut().map(|x| &mut x.name));
        self.materials.fill(model.materials.iter_mut().map(|x| &mut x.name));
        self.cameras.fill(model.cameras.iter_mut().map(|x| &mut x.name));
        self.tendons.fill(model.tendons.iter_mut().map(|x| &mut x.name));
        self.actuators.fill(model.actuators.iter_mut().map(|x| &mut x.name));
        self.sensors.fill(model.sensors.iter_mut().map(|x| &mut x.name));
        self.equalities.fill(model.equalities.iter_mut().map(|x| &mut x.name));
    }
}
