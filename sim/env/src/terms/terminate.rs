//! Termination terms.

use keiko_model::Result;
use keiko_model::task::Termination;

use super::View;
use crate::bind::Binder;

/// Whether an environment's episode is to end.
pub(crate) type Ends = Box<dyn Fn(&View<'_>, usize) -> bool + Send + Sync>;

/// Resolves the names of a term.
pub(crate) fn bind(binder: &Binder<'_>, term: &Termination, path: &str) -> Result<Ends> {
    let at = |key: &str| format!("{path}.{key}");
    let range_at =
        |range: [f64; 2]| Ok::<_, keiko_model::Error>(binder.ordered(range, &at("range"))?.map(|x| x as f32));
    Ok(match term {
        Termination::JointOutOfRange { joints, range } => {
            let joints = binder.joints(joints, &at("joints"))?;
            let [low, high] = range_at(*range)?;
            Box::new(move |view, env| {
                joints.iter().any(|joint| {
                    let q = view.state.qpos.get(joint.q, env);
                    q < low || q > high
                })
            })
        }
        Termination::BaseHeightOutside { range } => {
            let [low, high] = range_at(*range)?;
            Box::new(move |view, env| {
                let z = view.position(view.base, env).z;
                z < low || z > high
            })
        }
        Termination::Tilt { angle } => {
            let cos = angle.cos() as f32;
            Box::new(move |view, env| -view.projected_gravity(env).z < cos)
        }
        Termination::ContactOn { bodies, force } => {
            let (bodies, force) = (binder.bodies(bodies, &at("bodies"))?, *force as f32);
            Box::new(move |view, env| {
                bodies.iter().any(|body| view.contact_force(*body, env).length() > force)
            })
        }
        Termination::OutOfBounds { half_size } => {
            let half_size = *half_size as f32;
            Box::new(move |view, env| {
                view.position(view.base, env).truncate().abs().max_element() > half_size
            })
        }
    })
}
