//! What is drawn over the picture: frames, axes, centres of mass, forces, cameras.

use glam::DVec3;
use keiko_camera::Camera;
use keiko_model::Pose;
use keiko_model::kinematics;
use keiko_model::robot::{Geom, JointKind, RobotModel};
use keiko_world::{BatchState, Touch};

use crate::history::{History, Sample};
use crate::pull::{Pull, mover};
use crate::rays::rays;
use crate::session::Session;
use crate::thing::{Thing, body_poses};

/// Forces under this are not drawn \[N\].
const LEAST_FORCE: f64 = 1e-3;
/// What a robot's own weight is drawn as, in sizes of the scene.
const WEIGHT_LENGTH: f64 = 0.6;

const RED: [u8; 3] = [235, 80, 80];
const GREEN: [u8; 3] = [90, 200, 90];
const BLUE: [u8; 3] = [90, 140, 255];
const YELLOW: [u8; 3] = [250, 210, 70];
const ORANGE: [u8; 3] = [255, 150, 40];
const VIOLET: [u8; 3] = [200, 130, 255];
const WHITE: [u8; 3] = [245, 245, 245];
const TRAIL: [u8; 3] = [120, 220, 255];
const WIRE: [u8; 3] = [20, 30, 40];

/// Lines of a trail at most.
const MOST_TRAIL: usize = 1000;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkOptions {
    /// Frames of bodies.
    pub frames: bool,
    /// Axes of joints.
    pub joints: bool,
    /// Centre of mass of everything, and its place on the ground below.
    pub center: bool,
    /// Boxes with the inertia of each body.
    pub inertia: bool,
    /// Points at which shapes press on each other, and the forces there.
    pub contacts: bool,
    /// What cameras see.
    pub cameras: bool,
    /// Names of bodies.
    pub names: bool,
    /// What sensors see by rays.
    pub rays: bool,
    /// Edges of the shapes that are looked at.
    pub wireframe: bool,
}

impl Default for MarkOptions {
    fn default() -> Self {
        Self {
            frames: false,
            joints: false,
            center: false,
            inertia: false,
            contacts: true,
            cameras: false,
            names: false,
            rays: true,
            wireframe: false,
        }
    }
}

/// A mark in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A line.
    Line([DVec3; 2], [u8; 3]),
    /// A thin line.
    Edge([DVec3; 2], [u8; 3]),
    /// A line with a head at its second end.
    Arrow([DVec3; 2], [u8; 3]),
    /// A point.
    Dot(DVec3, [u8; 3]),
    /// Words at a point.
    Text(DVec3, String, [u8; 3]),
}

/// The marks of the environment that is shown; `size` is what is looked at \[m\].
pub fn marks(session: &Session, options: MarkOptions, size: f64) -> Vec<Mark> {
    let (model, state, env) = (session.model(), session.state(), session.env());
    let poses = body_poses(model, state, env);
    let mut marks = Vec::new();
    let moving = 1..model.bodies.len();
    if options.frames {
        moving.clone().for_each(|body| frame(&mut marks, poses[body], 0.12 * size));
    }
    if options.joints {
        for (index, joint) in model.joints.iter().enumerate() {
            if joint.kind.num_dofs() == 1 {
                marks.extend(axis(model, &poses, index, 0.18 * size, YELLOW));
            }
        }
    }
    if options.inertia {
        moving.clone().for_each(|body| inertia_box(&mut marks, model, body, poses[body]));
    }
    if options.center {
        let center = kinematics::center_of_mass(model, &poses);
        let below = DVec3::new(center.x, center.y, 0.0);
        marks.push(Mark::Dot(center, VIOLET));
        marks.push(Mark::Line([center, below], VIOLET));
        marks.push(Mark::Text(center, "centre of mass".to_owned(), VIOLET));
    }
    if options.contacts {
        let weight = model.total_mass() * model.options.gravity.length();
        let scale = WEIGHT_LENGTH * size / weight.max(1.0);
        touches(&mut marks, model, &session.subject().touches(env), scale);
    }
    if options.cameras {
        for camera in &model.cameras {
            let pose = camera.world_pose(model, &poses);
            marks.extend(frustum(camera, pose, 0.25 * size));
            marks.push(Mark::Text(pose.position, camera.name.clone(), BLUE));
        }
    }
    if options.rays {
        marks.extend(rays(model, state, env, &poses, size));
    }
    if options.names {
        for body in moving {
            marks.push(Mark::Text(poses[body].position, model.bodies[body].name.clone(), WHITE));
        }
    }
    marks
}

/// What a camera sees, up to some distance \[m\]: the rays of its image's rim, and four from its middle.
fn frustum(camera: &Camera, pose: Pose, reach: f64) -> Vec<Mark> {
    // What a lens bends is no straight line.
    let steps = if camera.lens.is_pinhole() { 1 } else { 24 };
    let [width, height] = camera.size.map(f64::from);
    let corners = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
    let end = |pixel| camera.ray(pixel).map(|ray| pose.transform_point(reach * ray));
    let mut marks = Vec::new();
    for (side, from) in corners.into_iter().enumerate() {
        let to = corners[(side + 1) % 4];
        let along = |k: u32| [0, 1].map(|a| from[a] + (to[a] - from[a]) * f64::from(k) / f64::from(steps));
        if let Some(corner) = end(from) {
            marks.push(Mark::Line([pose.position, corner], BLUE));
        }
        for k in 0..steps {
            if let (Some(a), Some(b)) = (end(along(k)), end(along(k + 1))) {
                marks.push(Mark::Line([a, b], BLUE));
            }
        }
    }
    marks
}

/// The marks of what is selected.
pub fn selection(model: &RobotModel, state: &BatchState, env: usize, thing: Thing, size: f64) -> Vec<Mark> {
    let poses = body_poses(model, state, env);
    let mut marks = Vec::new();
    let body = thing.body(model);
    let at = match thing {
        Thing::Joint(index) if model.joints[index].kind.num_dofs() == 1 => {
            marks.extend(axis(model, &poses, index, 0.4 * size, YELLOW));
            poses[body].transform_point(model.joints[index].anchor)
        }
        Thing::Geom(index) => {
            let pose = poses[body].compose(model.geoms[index].pose);
            frame(&mut marks, pose, 0.2 * size);
            pose.position
        }
        Thing::Site(index) => {
            let pose = poses[body].compose(model.sites[index].pose);
            frame(&mut marks, pose, 0.2 * size);
            pose.position
        }
        Thing::Camera(index) => {
            let pose = model.cameras[index].world_pose(model, &poses);
            frame(&mut marks, pose, 0.2 * size);
            pose.position
        }
        Thing::Sensor(_) => return marks,
        _ => {
            frame(&mut marks, poses[body], 0.2 * size);
            poses[body].position
        }
    };
    if body != 0 || !matches!(thing, Thing::Body(_) | Thing::Actuator(_)) {
        marks.push(Mark::Dot(at, WHITE));
        marks.push(Mark::Text(at, thing.name(model).to_owned(), WHITE));
    }
    marks
}

/// The marks of a pull.
pub fn pull(pull: &Pull, state: &BatchState, env: usize) -> Vec<Mark> {
    let held = pull.held(state, env);
    vec![Mark::Line([held, pull.hand], RED), Mark::Dot(held, RED), Mark::Dot(pull.hand, WHITE)]
}

fn frame(marks: &mut Vec<Mark>, pose: Pose, length: f64) {
    for (axis, color) in [(DVec3::X, RED), (DVec3::Y, GREEN), (DVec3::Z, BLUE)] {
        marks.push(Mark::Line([pose.position, pose.transform_point(axis * length)], color));
    }
}

/// An arrow along the axis about which, or along which, a joint moves its body.
fn axis(model: &RobotModel, poses: &[Pose], index: usize, length: f64, color: [u8; 3]) -> [Mark; 2] {
    let joint = &model.joints[index];
    let pose = poses[joint.body];
    let (at, along) = (pose.transform_point(joint.anchor), pose.rotation * joint.axis * length);
    let turn = if joint.kind == JointKind::Revolute { 0.35 } else { 0.0 };
    [Mark::Arrow([at - along * turn, at + along], color), Mark::Dot(at, color)]
}

/// The box of even density that has a body's mass and moments.
fn inertia_box(marks: &mut Vec<Mark>, model: &RobotModel, body: usize, pose: Pose) {
    let inertial = &model.bodies[body].inertial;
    if inertial.mass <= 0.0 {
        return;
    }
    let [x, y, z] = inertial.moments.to_array();
    let half = [y + z - x, x + z - y, x + y - z].map(|sum| 0.5 * (6.0 * sum.max(0.0) / inertial.mass).sqrt());
    let pose = pose.compose(inertial.pose);
    let corner = |bits: usize| {
        let side = |k: usize| if bits >> k & 1 == 0 { -half[k] } else { half[k] };
        pose.transform_point(DVec3::new(side(0), side(1), side(2)))
    };
    for a in 0..8usize {
        for b in [1, 2, 4].map(|bit| a | bit).into_iter().filter(|b| *b != a) {
            marks.push(Mark::Line([corner(a), corner(b)], VIOLET));
        }
    }
}

/// Where shapes press on each other, and what a movable one of them feels there.
fn touches(marks: &mut Vec<Mark>, model: &RobotModel, touches: &[Touch], scale: f64) {
    for touch in touches {
        // What the ground feels says nothing new.
        let ground_is_second = mover(model, model.geoms[touch.geoms[1]].body) == 0;
        let force = if ground_is_second { -touch.force } else { touch.force };
        if force.length() > LEAST_FORCE && force.is_finite() {
            marks.push(Mark::Dot(touch.position, ORANGE));
            marks.push(Mark::Arrow([touch.position, touch.position + force * scale], ORANGE));
        }
    }
}

/// The way that a body has come, as far as samples go back; where an episode ended the line breaks.
pub fn trail(history: &History, body: usize) -> Vec<Mark> {
    let stride = history.iter().len().div_ceil(MOST_TRAIL).max(1);
    let point = |sample: &Sample| {
        let rows = sample.body_position.get(3 * body..3 * body + 3)?;
        Some(DVec3::new(rows[0].into(), rows[1].into(), rows[2].into()))
    };
    let (mut marks, mut last): (Vec<Mark>, Option<DVec3>) = (Vec::new(), None);
    for (index, sample) in history.iter().enumerate() {
        let now = point(sample).filter(|point| point.is_finite());
        // Where the line breaks nothing is left out.
        if index % stride != 0 && !sample.ended && index + 1 < history.iter().len() {
            continue;
        }
        if let (Some(a), Some(b), false) = (last, now, sample.ended) {
            marks.push(Mark::Edge([a, b], TRAIL));
        }
        last = now;
    }
    marks
}

/// The edges of the shapes that are looked at; `outlines` are those of each geom in its own frame.
pub fn wireframe(session: &Session, outlines: &[Vec<[DVec3; 2]>]) -> Vec<Mark> {
    let model = session.model();
    let poses = body_poses(model, session.state(), session.env());
    let of_geom = |(geom, edges): (&Geom, &Vec<[DVec3; 2]>)| {
        let pose = poses[geom.body].compose(geom.pose);
        edges.iter().map(move |ends| Mark::Edge(ends.map(|end| pose.transform_point(end)), WIRE)).collect()
    };
    model.geoms.iter().zip(outlines).flat_map::<Vec<Mark>, _>(of_geom).collect()
}
