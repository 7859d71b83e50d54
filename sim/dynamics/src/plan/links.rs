//! Which bodies move together: the model's bodies grouped into links.
//!
//! A body without joints belongs to the link of its parent. Link 0 is the world and all that is welded to it. A link
//! whose parent is the world is the root of a tree; tree 0 is the world.

use glam::{DMat3, DVec3};
use keiko_model::Pose;
use keiko_model::robot::{Inertial, RobotModel};

/// Bodies that never move against each other, and the joints that move them.
#[derive(Clone, Debug)]
pub struct Link {
    /// Link that carries this one; the world is its own parent.
    pub parent: usize,
    /// The body whose joints move it; 0 for the world.
    pub body: usize,
    /// The tree it belongs to.
    pub tree: usize,
    /// `parent_from_link` with all joints at their reference; the link's frame is that of [`Link::body`].
    pub parent_from_link: Pose,
}

/// All links, parents before children.
#[derive(Clone, Debug)]
pub struct Links {
    /// The links.
    pub links: Vec<Link>,
    /// Link of each body.
    pub of_body: Vec<usize>,
    /// `link_from_body` of each body.
    pub from_body: Vec<Pose>,
    /// Number of trees, the world's included.
    pub num_trees: usize,
}

impl Links {
    /// Groups the bodies of a model.
    pub fn new(model: &RobotModel) -> Self {
        let world = Link { parent: 0, body: 0, tree: 0, parent_from_link: Pose::IDENTITY };
        let mut out =
            Self { links: vec![world], of_body: vec![0], from_body: vec![Pose::IDENTITY], num_trees: 1 };
        for (index, body) in model.bodies.iter().enumerate().skip(1) {
            let parent = out.of_body[body.parent];
            let parent_from_body = out.from_body[body.parent].compose(body.pose);
            if body.joints.is_empty() {
                out.of_body.push(parent);
                out.from_body.push(parent_from_body);
                continue;
            }
            let tree = if parent == 0 {
                out.num_trees += 1;
                out.num_trees - 1
            } else {
                out.links[parent].tree
            };
            out.of_body.push(out.links.len());
            out.from_body.push(Pose::IDENTITY);
            out.links.push(Link { parent, body: index, tree, parent_from_link: parent_from_body });
        }
        out
    }

    /// Whether `a` is `b` or carries it.
    pub fn carries(&self, a: usize, mut b: usize) -> bool {
        while b > a {
            b = self.links[b].parent;
        }
        a == b
    }
}

/// Mass, centre of mass and central inertia in the link's frame.
#[derive(Clone, Copy, Debug)]
pub struct LinkInertia {
    /// Mass \[kg\].
    pub mass: f64,
    /// Centre of mass \[m\].
    pub com: DVec3,
    /// Inertia about the centre of mass \[kg·m²\], link axes.
    pub inertia: DMat3,
}

/// How an environment's body differs from the model's.
#[derive(Clone, Copy, Debug)]
pub struct InertialChange {
    /// Factor on mass and inertia.
    pub mass_scale: f64,
    /// Factor on inertia alone.
    pub inertia_scale: f64,
    /// Shift of the centre of mass in the body's frame \[m\].
    pub com_offset: DVec3,
}

impl InertialChange {
    /// As the model says.
    pub const NONE: Self = Self { mass_scale: 1.0, inertia_scale: 1.0, com_offset: DVec3::ZERO };
}

impl LinkInertia {
    /// No mass.
    pub const ZERO: Self = Self { mass: 0.0, com: DVec3::ZERO, inertia: DMat3::ZERO };

    /// Adds a body whose frame is `link_from_body`; `change` is what differs from its inertial.
    pub fn add(&mut self, link_from_body: Pose, inertial: &Inertial, change: &InertialChange) {
        let mass = inertial.mass * change.mass_scale;
        if mass <= 0.0 && inertial.moments == DVec3::ZERO {
            return;
        }
        let pose = link_from_body.compose(inertial.pose);
        let com = pose.position + link_from_body.rotation * change.com_offset;
        let axes = DMat3::from_quat(pose.rotation);
        let central = axes
            * DMat3::from_diagonal(inertial.moments * (change.mass_scale * change.inertia_scale))
            * axes.transpose();
        let total = self.mass + mass;
        let middle = if total > 0.0 { (self.com * self.mass + com * mass) / total } else { com };
        self.inertia =
            self.inertia + shifted(self.mass, self.com - middle) + central + shifted(mass, com - middle);
        (self.mass, self.com) = (total, middle);
    }

    /// Mass, centre, then xx, yy, zz, xy, xz, yz of the central inertia: the row order of the parameters.
    pub fn numbers(&self) -> [f64; 10] {
        let (c, i) = (self.com, self.inertia);
        [self.mass, c.x, c.y, c.z, i.x_axis.x, i.y_axis.y, i.z_axis.z, i.x_axis.y, i.x_axis.z, i.y_axis.z]
    }
}

/// Inertia of a point mass at `r`.
fn shifted(mass: f64, r: DVec3) -> DMat3 {
    let outer = DMat3::from_cols(r * r.x, r * r.y, r * r.z);
    (DMat3::IDENTITY * r.length_squared() - outer) * mass
}
