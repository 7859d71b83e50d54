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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that lacks what it needs should fail where it stands")]
mod tests {
    use keiko_camera::Backend;
    use keiko_model::camera::looking_along;

    use super::*;
    use crate::session::Session;
    use crate::subject::{LoadOptions, Source};
    use crate::thing::body_poses;

    #[test]
    fn rays_end_where_sensors_say_that_something_is() {
        let text = r#"<mujoco><worldbody><geom type="plane" size="5 5 .1"/><body pos="0.3 0 1">
            <geom type="sphere" size=".1"/>
            <site name="down" zaxis="0 0 -1"/><site name="slant" zaxis="1 0 -1"/><site name="up"/></body></worldbody>
          <sensor><rangefinder site="down"/><rangefinder site="slant"/><rangefinder site="up"/></sensor></mujoco>"#;
        let file = std::env::temp_dir().join(format!("keiko-rays-{}.xml", std::process::id()));
        std::fs::write(&file, text).unwrap();
        let options = LoadOptions { num_envs: 2, seed: 1, physics: None, backend: Backend::Cpu };
        let session = Session::new(Source::Robot { file: file.clone(), root: None }, options, None);
        std::fs::remove_file(&file).unwrap();
        let session = session.unwrap();
        let poses = body_poses(session.model(), session.state(), 1);
        let marks = rays(session.model(), session.state(), 1, &poses, 0.5);
        let start = DVec3::new(0.3, 0.0, 1.0);
        let ends = [DVec3::new(0.3, 0.0, 0.0), DVec3::new(1.3, 0.0, 0.0)];
        let near = |a: DVec3, b: DVec3| a.distance(b) < 1e-5;
        match &marks[..] {
            [
                Mark::Edge(first, HIT),
                Mark::Dot(a, HIT),
                Mark::Edge(second, HIT),
                Mark::Dot(b, HIT),
                Mark::Edge(third, NOTHING),
            ] => {
                assert!(near(first[0], start) && near(first[1], ends[0]) && near(*a, ends[0]));
                assert!(near(second[1], ends[1]) && near(*b, ends[1]));
                assert!(
                    near(third[1], start + DVec3::Z * 0.5),
                    "nothing is there: as long as the scene is large"
                );
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_scan_turns_with_its_body_about_the_vertical_alone() {
        let scan = HeightScan {
            body: 1,
            counts: [2, 1],
            spacing: [0.2, 0.1],
            offset: [0.5, 0.0],
            above: 0.3,
            reach: 1.0,
        };
        let tilted = looking_along(DVec3::new(0.0, 1.0, -0.4).normalize(), DVec3::Z);
        // The camera's z axis looks along; the body's x axis does here.
        let rotation = tilted * DQuat::from_mat3(&glam::DMat3::from_cols(DVec3::Z, -DVec3::X, -DVec3::Y));
        let pose = Pose::new(DVec3::new(1.0, 2.0, 3.0), rotation);
        let points: Vec<DVec3> = scan_points(&scan, pose).collect();
        for (point, along) in points.iter().zip([0.4, 0.6]) {
            assert!(point.distance(DVec3::new(1.0, 2.0 + along, 3.0)) < 1e-9, "{point}");
        }
    }
}
