//! Where an environment touches and how hard. People ask for it, the step does not: so it is worked out when somebody asks.

use glam::DVec3;

use crate::any::AnyBatch;
use crate::batch::Part;
use crate::lane::Phase;
use crate::machine::{Cpu, Machine};
use crate::plan::{item, pair};
use crate::step;

/// A point at which two shapes press on each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Touch {
    /// The two geoms, by index into the model's geoms.
    pub geoms: [usize; 2],
    /// Where, in the world \[m\].
    pub position: DVec3,
    /// Direction from the first geom into the second, of length 1, in the world.
    pub normal: DVec3,
    /// What the first geom does to the second, friction included \[N\], world axes.
    pub force: DVec3,
}

/// The points at which environment `env` presses: shapes as they lie now, with the impulses of the last substep. Those that have
/// parted since are left out.
pub fn touches(core: &dyn AnyBatch, env: usize) -> Vec<Touch> {
    let plan = core.plan();
    if plan.num_contacts == 0 {
        return Vec::new();
    }
    let numbers = |part, len| (0..len).map(|row| core.number(part, row, env)).collect::<Vec<f64>>();
    let state = numbers(Part::State, plan.state_len);
    let parameters = numbers(Part::Parameters, plan.parameters_len);
    let mut memory = vec![0.0; plan.memory_len];
    memory[..plan.state_len].copy_from_slice(&state);
    let mut counts = vec![0; plan.counts_len];
    let mut machine = Cpu {
        memory: &mut memory,
        parameters: &parameters,
        reals: &plan.reals,
        ints: &plan.ints,
        counts: &mut counts,
    };
    step::Begin::run(plan, &mut machine);
    step::Kinematics::run(plan, &mut machine);
    step::collide(plan, &mut machine);
    let vector = |at: usize| {
        let v = machine.get3(at);
        DVec3::new(v.x, v.y, v.z)
    };
    let int = |at: usize| plan.ints[at] as usize;
    let per_second = 1.0 / plan.options.substep();
    let mut touches = Vec::new();
    for pair in 0..plan.pairs.len {
        let first = int(plan.pairs.int(pair, pair::ITEM));
        let end = match pair + 1 < plan.pairs.len {
            true => int(plan.pairs.int(pair + 1, pair::ITEM)),
            false => plan.num_contacts,
        };
        let origin = vector(plan.origin + 3 * int(plan.pairs.int(pair, pair::FRAME)));
        for contact in first..end {
            let there = machine.get(plan.working + contact * item::NUM_WORKING + item::D_ACTIVE) > 0.5;
            // Looking for contacts forgets the impulses of those that have gone: they are read from the state.
            let impulse = &state[int(plan.items.int(contact, item::IMPULSE))..][..3];
            if !there || impulse[0] <= 0.0 {
                continue;
            }
            let at = plan.contact + contact * item::NUM_GEOMETRY;
            let normal = machine.get3(at + item::C_NORMAL);
            let (u, v) = normal.tangents();
            let push = normal * impulse[0] + u * impulse[1] + v * impulse[2];
            touches.push(Touch {
                geoms: plan.contact_geoms[contact],
                position: origin + vector(at + item::C_POSITION),
                normal: DVec3::new(normal.x, normal.y, normal.z),
                force: DVec3::new(push.x, push.y, push.z) * per_second,
            });
        }
    }
    touches
}
