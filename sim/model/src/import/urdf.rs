//! URDF: links and joints to a [`RobotModel`].
//!
//! The link that is no joint's child is the base. It is welded to the world, or moves freely with
//! [`ImportOptions::floating_base`]; a base named `world` is the world itself. URDF knows no actuators, so each
//! joint that can be driven gets a motor bounded by its effort limit. Of the extensions met in real files, capsules,
//! planes, spherical joints and Bullet's `contact` element are read; everything else lands in the loss report.

mod joint;
mod link;
mod loss;
mod mesh;
mod tree;

use std::collections::HashMap;

use super::xml::Element;
use super::{AssetRoot, Import, ImportOptions, LossReport};
use crate::Pose;
use crate::error::{ErrorKind, Result};
use crate::robot::{Body, Inertial, JointKind, RobotModel};
use crate::validate::moving_groups;

use tree::Tree;

/// Lowers a parsed `<robot>`.
///
/// # Errors
/// One error at the first thing that is wrong with the file or a collision mesh that it names.
pub fn lower(document: Element, files: &AssetRoot, options: &ImportOptions) -> Result<Import> {
    document.visit();
    document.str("version");
    if let Some(macros) =
        document.children.iter().find(|c| matches!(c.name.as_str(), "macro" | "property" | "arg"))
    {
        let message = format!("`<{}>` is xacro, not URDF", macros.name);
        return Err(macros.error(ErrorKind::Unsupported, message).allowed("run `xacro` on the file first"));
    }
    let tree = Tree::read(&document, &options.limits)?;
    let mut reader = Reader::new(files, options);
    reader.model.name = document.str("name").unwrap_or_default().to_owned();
    reader.read_materials(&document)?;
    reader.read_links(&tree)?;
    reader.add_mimics(&tree)?;
    reader.check_moving_mass(&tree)?;
    reader.exclude_base_contacts();
    loss::report_unread(&document, &mut reader.report);
    loss::count_kept(&reader.model, &mut reader.report);
    Ok(Import { model: reader.model, report: reader.report })
}

/// The model under construction.
struct Reader<'a> {
    files: &'a AssetRoot,
    options: &'a ImportOptions,
    model: RobotModel,
    report: LossReport,
    /// Body of each link of the tree, once read.
    body_of_link: Vec<usize>,
    geom_names: FreeNames,
    mesh_names: FreeNames,
    meshes: HashMap<mesh::MeshKey, usize>,
    colours: HashMap<String, [f32; 4]>,
}

impl<'a> Reader<'a> {
    fn new(files: &'a AssetRoot, options: &'a ImportOptions) -> Self {
        let world = Body {
            name: "world".to_owned(),
            parent: 0,
            pose: Pose::IDENTITY,
            inertial: Inertial::ZERO,
            joints: 0..0,
            gravity_compensation: 0.0,
            mocap: false,
        };
        Self {
            files,
            options,
            model: RobotModel { bodies: vec![world], ..Default::default() },
            report: LossReport::default(),
            body_of_link: Vec::new(),
            geom_names: FreeNames::default(),
            mesh_names: FreeNames::default(),
            meshes: HashMap::new(),
            colours: HashMap::new(),
        }
    }

    /// Bodies, joints and geoms, depth first from the base, children in the order of the file's joints.
    fn read_links(&mut self, tree: &Tree<'_>) -> Result<()> {
        self.body_of_link = vec![0; tree.links.len()];
        let mut stack = vec![tree.root];
        while let Some(link) = stack.pop() {
            self.read_link(tree, link)?;
            stack.extend(tree.child_joints[link].iter().rev().map(|j| tree.joints[*j].child));
        }
        Ok(())
    }

    fn read_link(&mut self, tree: &Tree<'_>, link: usize) -> Result<()> {
        let element = tree.links[link].element;
        let inertial = self.read_inertial(element)?;
        if link == tree.root && tree.links[link].name == "world" {
            self.adopt_world(element, inertial)?;
        } else {
            self.add_body(tree, link, inertial)?;
        }
        self.read_geoms(element, self.body_of_link[link])
    }

    /// The base is the world: it keeps its shapes and loses its mass.
    fn adopt_world(&mut self, element: &Element, inertial: Inertial) -> Result<()> {
        if self.options.floating_base {
            let message = "the base is the link `world`, which cannot float";
            return Err(element
                .error(ErrorKind::Value, message)
                .allowed("rename the link, or keep the base fixed"));
        }
        if inertial.mass > 0.0 {
            self.report.approximated(element, "inertial", "the world does not move, so its mass is left out");
        }
        Ok(())
    }

    fn add_body(&mut self, tree: &Tree<'_>, link: usize, inertial: Inertial) -> Result<()> {
        let source = &tree.links[link];
        let mut body = Body {
            name: source.name.to_owned(),
            parent: 0,
            pose: Pose::IDENTITY,
            inertial,
            joints: self.model.joints.len()..self.model.joints.len(),
            gravity_compensation: 0.0,
            mocap: false,
        };
        let index = self.model.bodies.len();
        self.body_of_link[link] = index;
        match tree.parent_joint[link] {
            Some(joint) => self.attach(tree, &tree.joints[joint], &mut body, index)?,
            None if self.options.floating_base => self.float(source.name, index),
            None => {}
        }
        body.joints.end = self.model.joints.len();
        self.model.bodies.push(body);
        Ok(())
    }

    /// The shapes of neighbours overlap at their joint in nearly every file. Executors keep a body and the one that
    /// carries it apart, but not if the latter is welded to the world: a base is named for what it is here.
    fn exclude_base_contacts(&mut self) {
        let bodies = &self.model.bodies;
        // The moving body that each body is welded to; 0 for the base.
        let mut leader = vec![0; bodies.len()];
        for (index, body) in bodies.iter().enumerate().skip(1) {
            let joints = &self.model.joints[body.joints.clone()];
            let moves = joints.iter().any(|joint| joint.kind != JointKind::Free);
            leader[index] = if moves { index } else { leader[body.parent] };
        }
        let mut has_shape = vec![false; bodies.len()];
        self.model.geoms.iter().for_each(|geom| has_shape[geom.body] = true);
        let shaped = |test: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (1..bodies.len()).filter(|body| has_shape[*body] && test(leader[*body])).collect()
        };
        let base = shaped(&|leader| leader == 0);
        let carried = shaped(&|leader_of| leader_of != 0 && leader[bodies[leader_of].parent] == 0);
        let pairs = base.iter().flat_map(|a| carried.iter().map(move |b| [*a, *b]));
        self.model.contact_excludes.extend(pairs.collect::<Vec<_>>());
    }

    /// Refuses bodies that move without mass, at the link that lacks it.
    fn check_moving_mass(&self, tree: &Tree<'_>) -> Result<()> {
        for group in moving_groups(&self.model) {
            let problem = if group.mass <= 0.0 {
                "moves, but neither it nor what is fixed to it has mass".to_owned()
            } else if group.moments.min_element() <= 0.0 {
                let [a, b, c] = group.moments.to_array();
                format!("moves, but its principal moments of inertia are {a} {b} {c}")
            } else {
                continue;
            };
            let link = self.body_of_link.iter().position(|body| *body == group.body).unwrap_or(tree.root);
            let element = tree.links[link].element;
            return Err(element
                .error(ErrorKind::Value, format!("{} {problem}", element.describe()))
                .allowed("mass and moments of inertia of what moves must be greater than 0"));
        }
        Ok(())
    }
}

/// Names that are taken, and how often each was asked for.
#[derive(Default)]
struct FreeNames(HashMap<String, usize>);

impl FreeNames {
    /// The name itself, or with the first number behind it that makes it new; never empty.
    fn claim(&mut self, name: &str) -> String {
        let base = if name.is_empty() { "unnamed" } else { name };
        let mut candidate = base.to_owned();
        while self.0.contains_key(&candidate) {
            let count = self.0.entry(base.to_owned()).or_default();
            *count += 1;
            candidate = format!("{base}_{count}");
        }
        self.0.insert(candidate.clone(), 0);
        candidate
    }
}
