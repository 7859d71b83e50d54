//! Constraints that are not contacts: dry friction, limits, and equalities.
//!
//! What couples hinges, slides and fixed tendons works on *linear forms* `Σ c·q`; a joint alone is a form of one term.

use std::ops::Range;

use glam::DVec3;
use keiko_model::Pose;
use keiko_model::robot::{EqualityKind, Joint, JointKind, RobotModel, Softness};

use super::contacts::{ItemRecord, between};
use super::items::{item, softness_numbers};
use super::links::{InertialChange, LinkInertia, Links};
use super::options::{Law, StepOptions};
use super::table::{Places, Tables};
use super::tree::{ancestors, chain};

/// What the fields of [`item`] mean in ties.
pub mod tie {
    use super::item;

    /// Fields of a linear form: where its degrees of freedom, numbers in qpos and coefficients are listed, and how many.
    #[derive(Clone, Copy)]
    pub struct Form {
        /// Integer: list of degrees of freedom.
        pub dofs: usize,
        /// Integer: list of numbers in qpos.
        pub qpos: usize,
        /// Integer: where the coefficients start in [`Plan::reals`](super::super::Plan::reals).
        pub coefficients: usize,
        /// Integer: length of the lists.
        pub len: usize,
    }

    /// The form that is limited, or follows.
    pub const FIRST: Form =
        Form { dofs: item::A, qpos: item::TREE_A, coefficients: item::LINK_A, len: item::A_LEN };
    /// The form that leads.
    pub const SECOND: Form =
        Form { dofs: item::B, qpos: item::TREE_B, coefficients: item::LINK_B, len: item::B_LEN };
    /// Integer: number in qpos of a ball joint; the other item of a weld.
    pub const QPOS: usize = item::EXTRA;

    /// Number: least length of a form.
    pub const LOW: usize = item::OWN;
    /// Number: most length of a form, angle of a ball, or speed.
    pub const HIGH: usize = item::OWN + 1;
    /// Numbers: coefficients of a polynomial, 5.
    pub const POLYNOMIAL: usize = item::OWN;
    /// Number: reference of the form that follows.
    pub const REFERENCE: usize = item::OWN + 5;
    /// Number: reference of the form that leads.
    pub const OTHER_REFERENCE: usize = item::OWN + 6;
    /// Numbers: anchor in the first link, 3.
    pub const ANCHOR_A: usize = item::OWN;
    /// Numbers: anchor in the second link, 3.
    pub const ANCHOR_B: usize = item::OWN + 3;
    /// Numbers: rotation `a_from_b` of the links that a weld keeps, quaternion xyzw.
    pub const ROTATION: usize = item::OWN;
}

/// Which items are ties of each kind.
#[derive(Clone, Debug, Default)]
pub struct Ties {
    /// Dry friction of linear forms.
    pub friction: Range<usize>,
    /// Speed limits of joints.
    pub speed_limits: Range<usize>,
    /// Limits of linear forms.
    pub limits: Range<usize>,
    /// Limits of ball joints.
    pub ball_limits: Range<usize>,
    /// Equalities of linear forms.
    pub couplings: Range<usize>,
    /// Two points that stay together.
    pub connects: Range<usize>,
    /// Two frames that stay together, two items each: places, then rotations.
    pub welds: Range<usize>,
}

impl Ties {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.friction.start == self.welds.end
    }
}

/// A range as narrow as this holds the joint \[rad or m\].
const LOCKED: f64 = 1e-6;

/// Appends the ties of a model to its constraints.
pub(super) fn add(
    tables: &mut Tables,
    memory: &mut Places,
    state: &mut Places,
    model: &RobotModel,
    links: &Links,
    options: &StepOptions,
    items: &mut Vec<ItemRecord>,
) -> Ties {
    let mut builder =
        Builder { tables, memory, state, model, links, options, ancestors: ancestors(model, links), items };
    Ties {
        friction: builder.range(Builder::add_friction),
        speed_limits: builder.range(Builder::add_speed_limits),
        limits: builder.range(Builder::add_limits),
        ball_limits: builder.range(Builder::add_ball_limits),
        couplings: builder.range(Builder::add_couplings),
        connects: builder.range(Builder::add_connects),
        welds: builder.range(Builder::add_welds),
    }
}

/// A linear form: degree of freedom, number in qpos, coefficient; and its length at the reference.
struct Form {
    terms: Vec<(usize, usize, f64)>,
    reference: f64,
}

struct Builder<'a> {
    tables: &'a mut Tables,
    memory: &'a mut Places,
    state: &'a mut Places,
    model: &'a RobotModel,
    links: &'a Links,
    options: &'a StepOptions,
    ancestors: Vec<Vec<usize>>,
    items: &'a mut Vec<ItemRecord>,
}

fn is_scalar(joint: &Joint) -> bool {
    matches!(joint.kind, JointKind::Revolute | JointKind::Prismatic)
}

/// A range narrow enough to hold the joint.
fn is_locked(range: [f64; 2]) -> bool {
    range[1] - range[0] < LOCKED
}

impl Builder<'_> {
    fn range(&mut self, add: impl FnOnce(&mut Self)) -> Range<usize> {
        let start = self.items.len();
        add(self);
        start..self.items.len()
    }

    fn joint(&self, joint: usize) -> Form {
        let of = &self.model.joints[joint];
        Form { terms: vec![(of.dof_index, of.qpos_index, 1.0)], reference: of.reference }
    }

    fn tendon(&self, tendon: usize) -> Form {
        let terms = &self.model.tendons[tendon].terms;
        let joint = |j: usize| &self.model.joints[j];
        Form {
            terms: terms.iter().map(|&(j, c)| (joint(j).dof_index, joint(j).qpos_index, c)).collect(),
            reference: terms.iter().map(|&(j, c)| c * joint(j).reference).sum(),
        }
    }

    /// Joints and tendons that have a number for `of_joint` or `of_tendon`.
    fn forms<T>(
        &self,
        of_joint: impl Fn(&Joint) -> Option<T>,
        of_tendon: impl Fn(&keiko_model::robot::FixedTendon) -> Option<T>,
    ) -> Vec<(Form, T)> {
        let joints = (0..self.model.joints.len()).filter(|&j| is_scalar(&self.model.joints[j]));
        let joints = joints.filter_map(|j| Some((self.joint(j), of_joint(&self.model.joints[j])?)));
        let tendons = (0..self.model.tendons.len())
            .filter_map(|t| Some((self.tendon(t), of_tendon(&self.model.tendons[t])?)));
        joints.chain(tendons).collect()
    }

    /// An item whose white rows reach all that carries the given degrees of freedom.
    fn item(&mut self, kind: usize, dofs: &[usize], softness: &Softness) -> ItemRecord {
        let mut support: Vec<usize> = dofs.to_vec();
        support.extend(dofs.iter().flat_map(|&d| &self.ancestors[d]));
        support.sort_unstable();
        support.dedup();
        let mut record = ([0; item::NUM_INTS], [0.0; item::NUM_REALS]);
        record.0[item::KIND] = kind;
        record.0[item::SUPPORT_LEN] = support.len();
        record.0[item::SUPPORT] = self.tables.add_list(support);
        self.finish(&mut record, softness);
        record
    }

    fn finish(&mut self, record: &mut ItemRecord, softness: &Softness) {
        let rows = if record.0[item::KIND] == item::TRIPLE { 3 } else { 1 };
        record.0[item::ROWS] = self.memory.take(rows * record.0[item::SUPPORT_LEN]);
        record.0[item::IMPULSE] = self.state.take(rows);
        record.1[..7].copy_from_slice(&softness_numbers(softness, self.options));
    }

    fn row(&mut self, forms: &[&Form], softness: &Softness) -> ItemRecord {
        let dofs: Vec<usize> = forms.iter().flat_map(|f| f.terms.iter().map(|t| t.0)).collect();
        let mut record = self.item(item::ROW, &dofs, softness);
        for (form, fields) in forms.iter().zip([tie::FIRST, tie::SECOND]) {
            record.0[fields.len] = form.terms.len();
            record.0[fields.dofs] = self.tables.add_list(form.terms.iter().map(|t| t.0));
            record.0[fields.qpos] = self.tables.add_list(form.terms.iter().map(|t| t.1));
            record.0[fields.coefficients] = self.tables.reals.len();
            self.tables.reals.extend(form.terms.iter().map(|t| t.2));
        }
        record
    }

    fn add_friction(&mut self) {
        let some = |f: f64| (f > 0.0).then_some(f);
        let mut forms = self.forms(|j| some(j.friction_loss), |t| some(t.friction_loss));
        // A ball or free joint has it along each degree of freedom.
        for joint in self.model.joints.iter().filter(|j| !is_scalar(j) && j.friction_loss > 0.0) {
            for d in joint.dof_index..joint.dof_index + joint.kind.num_dofs() {
                forms.push((Form { terms: vec![(d, 0, 1.0)], reference: 0.0 }, joint.friction_loss));
            }
        }
        for (form, loss) in forms {
            let mut record = self.row(&[&form], &Softness::default());
            record.1[item::FRICTION] = loss;
            self.items.push(record);
        }
    }

    fn add_speed_limits(&mut self) {
        let limit = |j: &Joint| j.velocity_limit.filter(|&v| v > 0.0 && v.is_finite());
        for (form, limit) in self.forms(limit, |_| None) {
            let mut record = self.row(&[&form], &Softness::default());
            record.1[tie::HIGH] = limit;
            self.items.push(record);
        }
    }

    fn add_limits(&mut self) {
        let default = Softness::default();
        let of_joint = |j: &Joint| j.range.map(|r| (r, j.limit_margin, j.limit_softness));
        let forms = self.forms(of_joint, |t| t.range.map(|r| (r, 0.0, default)));
        for (form, (range, margin, softness)) in forms.into_iter().filter(|f| !is_locked(f.1.0)) {
            let mut record = self.row(&[&form], &softness);
            record.1[item::MARGIN] = margin;
            record.1[item::DETECT] = reach(margin, self.options);
            record.1[tie::LOW] = range[0];
            record.1[tie::HIGH] = range[1];
            self.items.push(record);
        }
    }

    fn add_ball_limits(&mut self) {
        for joint in self.model.joints.iter().filter(|j| j.kind == JointKind::Ball) {
            let Some(range) = joint.range else { continue };
            let d = joint.dof_index;
            let mut record = self.item(item::ROW, &[d, d + 1, d + 2], &joint.limit_softness);
            record.0[item::BODY_A] = d;
            record.0[tie::QPOS] = joint.qpos_index;
            record.1[item::MARGIN] = joint.limit_margin;
            record.1[item::DETECT] = reach(joint.limit_margin, self.options);
            record.1[tie::HIGH] = range[0].max(range[1]);
            self.items.push(record);
        }
    }

    fn add_couplings(&mut self) {
        let model = self.model;
        for equality in model.equalities.iter().filter(|e| e.active) {
            let (form, other, polynomial) = match equality.kind {
                EqualityKind::Joint { joint, other, polynomial } => {
                    (self.joint(joint), other.map(|j| self.joint(j)), polynomial)
                }
                EqualityKind::Tendon { tendon, other, polynomial } => {
                    (self.tendon(tendon), other.map(|t| self.tendon(t)), polynomial)
                }
                EqualityKind::Connect { .. } | EqualityKind::Weld { .. } => continue,
            };
            self.add_coupling(&form, other.as_ref(), polynomial, &equality.softness);
        }
        for joint in 0..model.joints.len() {
            let of = &model.joints[joint];
            let Some(range) = of.range.filter(|&r| is_scalar(of) && is_locked(r)) else { continue };
            let form = self.joint(joint);
            let middle = 0.5 * (range[0] + range[1]) - form.reference;
            self.add_coupling(&form, None, [middle, 0.0, 0.0, 0.0, 0.0], &of.limit_softness);
        }
    }

    fn add_coupling(&mut self, form: &Form, other: Option<&Form>, polynomial: [f64; 5], softness: &Softness) {
        let forms: Vec<&Form> = std::iter::once(form).chain(other).collect();
        let mut record = self.row(&forms, softness);
        record.1[tie::POLYNOMIAL..tie::REFERENCE].copy_from_slice(&polynomial);
        record.1[tie::REFERENCE] = form.reference;
        record.1[tie::OTHER_REFERENCE] = other.map_or(0.0, |f| f.reference);
        self.items.push(record);
    }

    fn add_connects(&mut self) {
        let model = self.model;
        for equality in model.equalities.iter().filter(|e| e.active) {
            if let EqualityKind::Connect { body_a, body_b, anchor_in_a, anchor_in_b } = equality.kind {
                self.add_points([body_a, body_b], [anchor_in_a, anchor_in_b], &equality.softness);
            }
        }
    }

    fn add_welds(&mut self) {
        let model = self.model;
        for equality in model.equalities.iter().filter(|e| e.active) {
            if let EqualityKind::Weld { body_a, body_b, a_from_b, anchor_in_b } = equality.kind {
                let anchor_in_b = match self.options.law {
                    Law::Soft { .. } => self.quiet_anchor([body_a, body_b], a_from_b),
                    Law::Mujoco => anchor_in_b,
                };
                let anchors = [a_from_b.transform_point(anchor_in_b), anchor_in_b];
                self.add_points([body_a, body_b], anchors, &equality.softness);
                self.add_rotation([body_a, body_b], a_from_b, &equality.softness);
            }
        }
    }

    /// Where a weld is best held, in the second body: at the centre of mass of the lighter link, so that its place and its
    /// rotation do not work against each other.
    fn quiet_anchor(&self, bodies: [usize; 2], a_from_b: Pose) -> DVec3 {
        let [a, b] = bodies.map(|body| {
            let link = self.links.of_body[body];
            let mut whole = LinkInertia::ZERO;
            for (k, of) in
                self.model.bodies.iter().enumerate().filter(|(k, _)| self.links.of_body[*k] == link)
            {
                whole.add(self.links.from_body[k], &of.inertial, &InertialChange::NONE);
            }
            let com = self.links.from_body[body].inverse().transform_point(whole.com);
            (if link == 0 || whole.mass <= 0.0 { f64::INFINITY } else { whole.mass }, com)
        });
        if a.0 < b.0 { a_from_b.inverse().transform_point(a.1) } else { b.1 }
    }

    /// Three rows that keep two points together. As long as they are apart the joints that carry both bodies move
    /// them against each other too.
    fn add_points(&mut self, bodies: [usize; 2], anchors: [DVec3; 2], softness: &Softness) {
        let links = bodies.map(|b| self.links.of_body[b]);
        let chains = links.map(|l| chain(self.model, self.links, l));
        let mut record = self.item(item::TRIPLE, &chains.concat(), softness);
        let [a, b] = chains;
        record.0[item::A_LEN] = a.len();
        record.0[item::A] = self.tables.add_list(a);
        record.0[item::B_LEN] = b.len();
        record.0[item::B] = self.tables.add_list(b);
        record.0[item::TREE_A] = self.links.links[links[0]].tree;
        record.0[item::TREE_B] = self.links.links[links[1]].tree;
        [record.0[item::BODY_A], record.0[item::BODY_B]] = bodies;
        [record.0[item::LINK_A], record.0[item::LINK_B]] = links;
        for (k, start) in [tie::ANCHOR_A, tie::ANCHOR_B].into_iter().enumerate() {
            let point = self.links.from_body[bodies[k]].transform_point(anchors[k]);
            record.1[start..start + 3].copy_from_slice(&point.to_array());
        }
        self.items.push(record);
    }

    /// Three rows that keep the rotation between two bodies.
    fn add_rotation(&mut self, bodies: [usize; 2], a_from_b: Pose, softness: &Softness) {
        let mut record = between(self.tables, self.model, self.links, bodies[0], bodies[1]);
        record.0[item::KIND] = item::TRIPLE;
        self.finish(&mut record, softness);
        let [a, b] = bodies.map(|body| self.links.from_body[body].rotation);
        let kept = a * a_from_b.rotation * b.inverse();
        record.1[tie::ROTATION..tie::ROTATION + 4].copy_from_slice(&kept.to_array());
        self.items.push(record);
    }
}

/// Distance at which a limit is listed if nothing moves towards it \[rad or m\].
fn reach(margin: f64, options: &StepOptions) -> f64 {
    match options.law {
        Law::Soft { .. } => margin + (5.0 * options.substep()).clamp(0.002, 0.02),
        Law::Mujoco => margin,
    }
}
