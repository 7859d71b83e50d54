//! What sensors see by rays, as marks.

use glam::{DQuat, DVec3};
use keiko_model::Pose;
use keiko_model::robot::{FrameRef, HeightScan, RobotModel, SensorKind};
use keiko_world::BatchState;

use crate::marks::Mark;

const HIT: [u8; 3] = [90, 230, 230];
const NOTHING: [u8; 3] = [110, 130, 130];

/// The rays of all sensors, as far as they have seen; `size` is that of the scene \[m\].
pub fn rays(model: &RobotModel, state: &BatchState, env: usize, poses: &[Pose], size: f64) -> Vec<Mark> {
    let (mut marks, mut first) = (Vec::new(), 0);
    for sensor in &model.sensors {
        let reads = |k: usize| f64::from(state.sensors.get(first + k, env));
        match &sensor.kind {
            SensorKind::RayDistance { frame, axis, reach } => {
                let from = frame_pose(model, poses, *frame);
                let (start, along) = (from.position, from.rotation * *axis);
                let distance = reads(0);
                let met = distance >= 0.0 && reach.is_none_or(|reach| distance < reach);
                let length = if distance >= 0.0 { distance } else { size };
                let end = start + along * length;
                marks.push(Mark::Edge([start, end], if met { HIT } else { NOTHING }));
                if met {
                    marks.push(Mark::Dot(end, HIT));
                }
            }
            SensorKind::HeightScan(scan) => {
                for (k, start) in scan_points(scan, poses[scan.body]).enumerate() {
                    let end = DVec3::new(start.x, start.y, poses[scan.body].position.z - reads(k));
                    let met = reads(k) < scan.reach;
                    marks.push(Mark::Edge([start, end], if met { HIT } else { NOTHING }));
                    if met {
                        marks.push(Mark::Dot(end, HIT));
                    }
                }
            }
            _ => {}
        }
        first += sensor.kind.size();
    }
    marks
}

/// Where the rays of a scan leave the height of the body's origin, in the order of its numbers.
fn scan_points(scan: &HeightScan, pose: Pose) -> impl Iterator<Item = DVec3> {
    let (x, scan) = (pose.rotation * DVec3::X, *scan);
    // The grid turns with the body about the vertical; one that looks straight up or down turns not at all.
    let yaw = if x.x * x.x + x.y * x.y > 1e-12 { x.y.atan2(x.x) } else { 0.0 };
    let turn = DQuat::from_rotation_z(yaw);
    (0..scan.size()).map(move |k| {
        let place = [k % scan.counts[0], k / scan.counts[0]];
        let at = |axis: usize| {
            let middle = 0.5 * (scan.counts[axis] as f64 - 1.0);
            scan.offset[axis] + scan.spacing[axis] * (place[axis] as f64 - middle)
        };
        pose.position + turn * DVec3::new(at(0), at(1), 0.0)
    })
}

fn frame_pose(model: &RobotModel, poses: &[Pose], frame: FrameRef) -> Pose {
    match frame {
        FrameRef::Body(body) => poses[body],
        FrameRef::BodyCom(body) => poses[body].compose(model.bodies[body].inertial.pose),
        FrameRef::Geom(geom) => poses[model.geoms[geom].body].compose(model.geoms[geom].pose),
        FrameRef::Site(site) => poses[model.sites[site].body].compose(model.sites[site].pose),
    }
}
