//! Where an environment touches, as rapier's last step left it.

use rapier3d::prelude as rp;

use super::blueprint::Blueprint;
use super::environment::Environment;
use crate::executor::Touch;

impl Environment {
    /// The points that press on each other: the normal impulse of the last physics step over its length, and the friction of
    /// its last substep. Points are those of the last search for contacts, on shapes as they lie now.
    pub fn touches(&self, blueprint: &Blueprint) -> Vec<Touch> {
        let substeps = blueprint.parameters.num_solver_iterations as f32;
        let per_second = f64::from(1.0 / blueprint.options.timestep);
        let mut touches = Vec::new();
        for pair in self.world.narrow_phase.contact_pairs() {
            let of = |handle| self.world.colliders.get(handle);
            let (Some(a), Some(b)) = (of(pair.collider1), of(pair.collider2)) else { continue };
            let geoms = [a, b].map(|collider: &rp::Collider| collider.user_data as usize);
            let articulated = geoms.into_iter().any(|geom| {
                let body = blueprint.model.geoms[geom].body;
                blueprint.handles[blueprint.links.of_body[body]].multibody.is_some()
            });
            for manifold in pair.solver_manifolds() {
                // Two plain bodies share one friction impulse over the manifold, written to each point.
                let share = if articulated { 1.0 } else { 1.0 / manifold.points.len().max(1) as f32 };
                let normal = manifold.data.normal;
                for point in manifold.points.iter().filter(|point| point.data.impulse > 0.0) {
                    let local = manifold
                        .subshape_pos1()
                        .map_or(point.local_p1, |pose| pose.transform_point(point.local_p1));
                    let friction = point.data.warmstart_tangent_world * (substeps * share);
                    touches.push(Touch {
                        geoms,
                        position: a.position().transform_point(local).as_dvec3(),
                        normal: normal.as_dvec3(),
                        force: (normal * point.data.impulse - friction).as_dvec3() * per_second,
                    });
                }
            }
        }
        touches
    }
}
