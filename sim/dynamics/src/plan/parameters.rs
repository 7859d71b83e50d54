//! Parameters: what may differ between environments.

use glam::DVec3;
use keiko_model::robot::RobotModel;

use super::links::{InertialChange, LinkInertia, Links};
use super::{Plan, actuator, actuator_parameters, item, tie};
use crate::lane::Phase;
use crate::machine::Cpu;
use crate::step;

/// Factors on what the model says, of one environment. Empty vectors change nothing.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// Factor on mass and inertia of each body `[nb]`.
    pub mass_scale: Vec<f64>,
    /// Factor on the inertia of each body alone `[nb]`.
    pub inertia_scale: Vec<f64>,
    /// Shift of the centre of mass of each body in its frame `[nb]` \[m\].
    pub com_offset: Vec<DVec3>,
    /// Factor on all sliding and torsional friction.
    pub friction_scale: Option<f64>,
    /// Factor on the position gain of each actuator `[nu]`.
    pub stiffness_scale: Vec<f64>,
    /// Factor on the velocity gain of each actuator `[nu]`.
    pub damping_scale: Vec<f64>,
    /// Factor on the force of each actuator after its limit `[nu]`.
    pub strength_scale: Vec<f64>,
    /// Factor on the rotor inertia of each degree of freedom `[nv]`.
    pub armature_scale: Vec<f64>,
    /// How many control steps the control of each actuator is late `[nu]`, at most [`StepOptions::max_delay`].
    ///
    /// [`StepOptions::max_delay`]: super::StepOptions::max_delay
    pub delay: Vec<f64>,
    /// Gravity \[m/s²\].
    pub gravity: Option<DVec3>,
    /// Moment and force on each body, world axes `[nb]` \[N·m, N\]. The force acts at the centre of mass of the body and of
    /// all that is welded to it.
    pub wrench: Vec<[DVec3; 2]>,
    /// Shift of the height fields that are fixed to the world \[m\].
    pub terrain: DVec3,
}

impl Parameters {
    /// The numbers that the step reads, in the plan's order.
    pub fn numbers(&self, plan: &Plan, model: &RobotModel, links: &Links) -> Vec<f64> {
        let mut out = vec![0.0; plan.parameters_len];
        let at = |list: &[f64], k: usize| list.get(k).copied().unwrap_or(1.0);
        let gravity = self.gravity.unwrap_or(model.options.gravity);
        out[plan.p_gravity..plan.p_gravity + 3].copy_from_slice(&gravity.to_array());
        if plan.options.max_delay > 0 {
            out[plan.p_delay..][..self.delay.len()].copy_from_slice(&self.delay);
        }
        out[plan.p_friction] = self.friction_scale.unwrap_or(1.0);

        let mut inertias = vec![LinkInertia::ZERO; links.links.len()];
        for (b, body) in model.bodies.iter().enumerate().skip(1) {
            let offset = self.com_offset.get(b).copied().unwrap_or(DVec3::ZERO);
            let inertia = &mut inertias[links.of_body[b]];
            let change = InertialChange {
                mass_scale: at(&self.mass_scale, b),
                inertia_scale: at(&self.inertia_scale, b),
                com_offset: offset,
            };
            inertia.add(links.from_body[b], &body.inertial, &change);
        }
        let wrenches = link_wrenches(links, &self.wrench);
        out[plan.p_wrench..plan.p_wrench + wrenches.len()].copy_from_slice(&wrenches);
        if plan.has_terrain {
            out[plan.p_terrain..plan.p_terrain + 3].copy_from_slice(&self.terrain.to_array());
        }
        for (l, inertia) in inertias.iter().enumerate().skip(1) {
            let start = plan.p_inertia + 10 * l;
            out[start..start + 10].copy_from_slice(&inertia.numbers());
        }
        for joint in &model.joints {
            for d in joint.dof_index..joint.dof_index + joint.kind.num_dofs() {
                out[plan.p_armature + d] = joint.armature * at(&self.armature_scale, d);
            }
        }
        for (a, of) in model.actuators.iter().enumerate() {
            let start = plan.p_actuator + actuator::NUM_PARAMETERS * a;
            out[start..start + actuator::NUM_PARAMETERS].copy_from_slice(&actuator_parameters(
                of,
                at(&self.stiffness_scale, a),
                at(&self.damping_scale, a),
                at(&self.strength_scale, a),
            ));
        }
        out
    }
}

/// Moment and force on each link `[6 links]` from those on the bodies.
pub(crate) fn link_wrenches(links: &Links, wrench: &[[DVec3; 2]]) -> Vec<f64> {
    let mut out = vec![0.0; 6 * links.links.len()];
    for ([moment, force], link) in wrench.iter().zip(&links.of_body) {
        for (k, value) in moment.to_array().into_iter().chain(force.to_array()).enumerate() {
            out[6 * link + k] += value;
        }
    }
    out
}

/// Fills in the inverse inertia that each constraint sees at the reference configuration: MuJoCo's `invweight0`, from
/// which its law takes the softness.
pub(super) fn weigh_constraints(plan: &mut Plan, model: &RobotModel) {
    let links = Links::new(model);
    let parameters = Parameters::default().numbers(plan, model, &links);
    let mut memory = vec![0.0; plan.memory_len];
    memory[..plan.num_qpos].copy_from_slice(&model.reference_qpos());
    let mut counts = vec![0; plan.counts_len];
    {
        let mut machine = Cpu::<f64> {
            memory: &mut memory,
            parameters: &parameters,
            reals: &plan.reals,
            ints: &plan.ints,
            counts: &mut counts,
        };
        step::Begin::run(plan, &mut machine);
        step::Kinematics::run(plan, &mut machine);
        step::Outward::run(plan, &mut machine);
        step::Inward::run(plan, &mut machine);
        step::Factor::run(plan, &mut machine);
    }
    let weights: Vec<[f64; 2]> =
        (0..model.bodies.len()).map(|b| body_weight(plan, model, &links, &memory, b)).collect();
    let forms = form_weights(plan, model, &memory);
    for i in 0..plan.items.len {
        let int = |field| plan.ints[plan.items.int(i, field)] as usize;
        let bodies = |part: usize| weights[int(item::BODY_A)][part] + weights[int(item::BODY_B)][part];
        let ties = &plan.ties;
        let turns = ties.welds.contains(&i) && (i - ties.welds.start) % 2 == 1;
        let weight = if i < plan.num_touches || ties.connects.contains(&i) || ties.welds.contains(&i) {
            bodies(usize::from(turns))
        } else if ties.ball_limits.contains(&i) {
            forms.dofs[int(item::BODY_A)]
        } else {
            forms.of_item(plan, i, tie::FIRST) + forms.of_item(plan, i, tie::SECOND)
        };
        let at = plan.items.real(i, item::INVERSE_INERTIA);
        plan.reals[at] = weight.max(1e-15);
    }
}

/// Inverse inertia of degrees of freedom, and of the tendons in the plan.
struct FormWeights {
    dofs: Vec<f64>,
    /// Lists of degrees of freedom, their coefficients, and their inverse inertia together.
    tendons: Vec<(Vec<usize>, Vec<f64>, f64)>,
}

impl FormWeights {
    /// Of a form of an item; 0 of a form without terms.
    fn of_item(&self, plan: &Plan, i: usize, form: tie::Form) -> f64 {
        let int = |field| plan.ints[plan.items.int(i, field)] as usize;
        let len = int(form.len);
        let dofs: Vec<usize> = plan.ints[int(form.dofs)..][..len].iter().map(|&d| d as usize).collect();
        let coefficients = &plan.reals[int(form.coefficients)..][..len];
        match (len, coefficients) {
            (0, _) => 0.0,
            (1, [c]) if *c == 1.0 => self.dofs[dofs[0]],
            _ => self
                .tendons
                .iter()
                .find(|(d, c, _)| *d == dofs && c == coefficients)
                .map_or(0.0, |tendon| tendon.2),
        }
    }
}

/// A ball joint's three rotations have their mean, and so have the three translations and rotations of a free joint.
fn form_weights(plan: &Plan, model: &RobotModel, memory: &[f64]) -> FormWeights {
    let nv = plan.dofs.len;
    let all: Vec<usize> = (0..nv).collect();
    let of = |terms: &[(usize, f64)]| {
        let mut row = vec![0.0; nv];
        for &(d, c) in terms {
            row[d] += c;
        }
        whitened_square(plan, memory, &all, &mut row)
    };
    let mut dofs: Vec<f64> = (0..nv).map(|d| of(&[(d, 1.0)])).collect();
    for joint in &model.joints {
        for chunk in dofs[joint.dof_index..joint.dof_index + joint.kind.num_dofs()].chunks_mut(3) {
            let mean = chunk.iter().sum::<f64>() / chunk.len() as f64;
            chunk.fill(mean);
        }
    }
    let tendons = model.tendons.iter().map(|tendon| {
        let terms: Vec<(usize, f64)> =
            tendon.terms.iter().map(|&(j, c)| (model.joints[j].dof_index, c)).collect();
        let (list, coefficients) = terms.iter().copied().unzip();
        (list, coefficients, of(&terms))
    });
    FormWeights { tendons: tendons.collect(), dofs }
}

/// Mean inverse mass and inverse inertia of a body at its centre of mass.
fn body_weight(plan: &Plan, model: &RobotModel, links: &Links, memory: &[f64], body: usize) -> [f64; 2] {
    let link = links.of_body[body];
    if link == 0 {
        return [0.0, 0.0];
    }
    let chain = super::tree::chain(model, links, link);
    let inertial = &model.bodies[body].inertial;
    let com = links.from_body[body].transform_point(inertial.pose.position);
    let rotation = &memory[plan.rotation + 9 * link..][..9];
    let position = DVec3::from_slice(&memory[plan.position + 3 * link..]);
    let turn = |v: DVec3| DVec3::from_array([0, 3, 6].map(|r| DVec3::from_slice(&rotation[r..]).dot(v)));
    let point = position + turn(com);
    let mut sums = [0.0; 2];
    for axis in 0..6 {
        let mut row = vec![0.0; plan.dofs.len];
        for &d in &chain {
            let motion = &memory[plan.motion + 6 * d..];
            let (w, v) = (DVec3::from_slice(motion), DVec3::from_slice(&motion[3..]));
            let whole = if axis < 3 { v + w.cross(point) } else { w };
            row[d] = whole[axis % 3];
        }
        sums[axis / 3] += whitened_square(plan, memory, &chain, &mut row);
    }
    sums.map(|sum| sum / 3.0)
}

/// `J M⁻¹ Jᵀ` of one row.
fn whitened_square(plan: &Plan, memory: &[f64], chain: &[usize], row: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for &d in chain.iter().rev() {
        let start = plan.mass + plan.ints[plan.dofs.int(d, super::dof::ROW)] as usize;
        let count = plan.ints[plan.dofs.int(d, super::dof::NUM_ANCESTORS)] as usize;
        let list = plan.ints[plan.dofs.int(d, super::dof::ANCESTORS)] as usize;
        let white = row[d] * memory[plan.inverse + d];
        sum += white * white;
        for k in 0..count {
            row[plan.ints[list + k] as usize] -= memory[start + k] * white;
        }
    }
    sum
}
