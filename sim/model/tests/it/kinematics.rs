//! Forward kinematics against MuJoCo on trees of random joints, and by hand.

use std::fmt::Write as _;

use glam::{DQuat, DVec3};
use keiko_model::kinematics::{Kinematics, center_of_mass, forward_kinematics, kinematics};
use keiko_model::robot::{Body, Inertial, Joint, JointKind, RobotModel, Softness};
use keiko_model::validate::validate;
use keiko_model::{Error, Pose};
use keiko_testkit::{self as testkit, assert_all_close, assert_close};
use serde_json::{Value, json};

use crate::support::Random;

/// Both sides work in double precision on chains of a dozen bodies.
const ROUNDING: f64 = 1e-10;

fn body(name: &str, parent: usize, pose: Pose) -> Body {
    let inertial =
        Inertial { mass: 1.0, pose: Pose::from_position(DVec3::new(0.1, 0.2, 0.3)), moments: DVec3::ONE };
    Body {
        name: name.to_owned(),
        parent,
        pose,
        inertial,
        joints: 0..0,
        gravity_compensation: 0.0,
        mocap: false,
    }
}

fn empty_model() -> RobotModel {
    let mut world = body("world", 0, Pose::IDENTITY);
    world.inertial = Inertial::ZERO;
    RobotModel { bodies: vec![world], ..Default::default() }
}

fn add_joint(model: &mut RobotModel, kind: JointKind, axis: DVec3, anchor: DVec3, reference: f64) {
    let joint = Joint {
        name: format!("joint_{}", model.joints.len()),
        body: model.bodies.len() - 1,
        kind,
        axis,
        anchor,
        range: None,
        reference,
        stiffness: 0.0,
        spring_reference: 0.0,
        damping: 0.0,
        armature: 0.0,
        friction_loss: 0.0,
        limit_softness: Softness::default(),
        limit_margin: 0.0,
        effort_range: None,
        velocity_limit: None,
        mimic: false,
        qpos_index: model.num_qpos(),
        dof_index: model.num_dofs(),
    };
    model.joints.push(joint);
    if let Some(body) = model.bodies.last_mut() {
        body.joints.end = model.joints.len();
    }
}

/// A tree with free, mocap and welded bodies and up to three joints a body.
fn random_model(random: &mut Random) -> RobotModel {
    let mut model = empty_model();
    // Depth first: the path holds the bodies that may still get children.
    let mut path = vec![0];
    for index in 1..14 {
        path.truncate(1 + random.bits() as usize % path.len());
        let parent = path[path.len() - 1];
        let mut new = body(&format!("body_{index}"), parent, Pose::new(random.vec3(), random.quat()));
        new.joints = model.joints.len()..model.joints.len();
        new.mocap = parent == 0 && random.bits().is_multiple_of(4);
        let mocap = new.mocap;
        model.bodies.push(new);
        path.push(index);
        if mocap {
            continue;
        }
        if parent == 0 && random.bits().is_multiple_of(2) {
            add_joint(&mut model, JointKind::Free, DVec3::X, DVec3::ZERO, 0.0);
            continue;
        }
        for _ in 0..random.bits() % 4 {
            let kind =
                [JointKind::Revolute, JointKind::Prismatic, JointKind::Revolute][random.bits() as usize % 3];
            let (axis, anchor, reference) = (random.axis(), random.vec3(), random.uniform(-1.0, 1.0));
            add_joint(&mut model, kind, axis, anchor, reference);
        }
        if random.bits().is_multiple_of(3) {
            let anchor = random.vec3();
            add_joint(&mut model, JointKind::Ball, DVec3::X, anchor, 0.0);
        }
    }
    model
}

fn numbers(values: impl IntoIterator<Item = f64>) -> String {
    values.into_iter().map(|x| format!("{x:?}")).collect::<Vec<_>>().join(" ")
}

fn wxyz(quat: DQuat) -> [f64; 4] {
    [quat.w, quat.x, quat.y, quat.z]
}

/// The model as MJCF, written here so that the reader of MJCF has no part in the comparison.
fn mjcf(model: &RobotModel) -> String {
    fn write_body(model: &RobotModel, index: usize, out: &mut String) {
        let body = &model.bodies[index];
        let (position, quat) = (numbers(body.pose.position.to_array()), numbers(wxyz(body.pose.rotation)));
        let mocap = if body.mocap { "mocap='true'" } else { "" };
        writeln!(out, "<body name='{}' pos='{position}' quat='{quat}' {mocap}>", body.name).unwrap();
        out.push_str("<inertial mass='1' pos='0.1 0.2 0.3' diaginertia='1 1 1'/>");
        for joint in &model.joints[body.joints.clone()] {
            let anchor = numbers(joint.anchor.to_array());
            let axis = numbers(joint.axis.to_array());
            let text = match joint.kind {
                JointKind::Free => "<freejoint/>".to_owned(),
                JointKind::Ball => format!("<joint type='ball' pos='{anchor}'/>"),
                JointKind::Revolute => {
                    format!("<joint type='hinge' pos='{anchor}' axis='{axis}' ref='{:?}'/>", joint.reference)
                }
                JointKind::Prismatic => {
                    format!("<joint type='slide' pos='{anchor}' axis='{axis}' ref='{:?}'/>", joint.reference)
                }
            };
            out.push_str(&text);
        }
        for child in (index + 1..model.bodies.len()).filter(|c| model.bodies[*c].parent == index) {
            write_body(model, child, out);
        }
        out.push_str("</body>\n");
    }
    let mut out = "<mujoco><compiler angle='radian'/><worldbody>".to_owned();
    for child in (1..model.bodies.len()).filter(|c| model.bodies[*c].parent == 0) {
        write_body(model, child, &mut out);
    }
    out + "</worldbody></mujoco>"
}

fn random_qpos(model: &RobotModel, random: &mut Random) -> Vec<f64> {
    let mut qpos = Vec::new();
    for joint in &model.joints {
        match joint.kind {
            JointKind::Free => {
                qpos.extend(random.vec3().to_array());
                qpos.extend(random.quat().to_array());
            }
            JointKind::Ball => qpos.extend(random.quat().to_array()),
            JointKind::Revolute | JointKind::Prismatic => qpos.push(random.uniform(-2.0, 2.0)),
        }
    }
    qpos
}

/// `qpos` with MuJoCo's order of quaternions.
fn mujoco_qpos(model: &RobotModel, qpos: &[f64]) -> Vec<f64> {
    let mut out = qpos.to_vec();
    for joint in &model.joints {
        let quat = match joint.kind {
            JointKind::Free => joint.qpos_index + 3,
            JointKind::Ball => joint.qpos_index,
            _ => continue,
        };
        out[quat..quat + 4].rotate_right(1);
    }
    out
}

const MUJOCO_POSES: &str = r#"
import json, sys, mujoco
out = []
for case in json.load(sys.stdin):
    m = mujoco.MjModel.from_xml_string(case['xml'])
    d = mujoco.MjData(m)
    assert m.nq == len(case['qpos'])
    rest = d.qpos.copy()
    d.qpos[:] = case['qpos']
    mujoco.mj_kinematics(m, d)
    mujoco.mj_comPos(m, d)
    out.append({k: getattr(d, k).tolist() for k in ('xpos', 'xquat', 'xanchor', 'xaxis')}
        | {'com': ((m.body_mass[:, None] * d.xipos).sum(0) / m.body_mass.sum()).tolist(), 'rest': rest.tolist()})
print(json.dumps(out))
"#;

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(floats).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn assert_same_rotation(actual: DQuat, expected_wxyz: &[f64], what: &str) {
    let [w, x, y, z] = expected_wxyz.try_into().unwrap();
    let error = 1.0 - actual.dot(DQuat::from_xyzw(x, y, z, w)).abs();
    assert_close(error, 0.0, ROUNDING, what);
}

#[test]
fn poses_anchors_and_axes_agree_with_mujoco() {
    let mut random = Random(7);
    let cases: Vec<(RobotModel, Vec<f64>)> = (0..60)
        .map(|_| {
            let model = random_model(&mut random);
            let qpos = random_qpos(&model, &mut random);
            (model, qpos)
        })
        .collect();
    let kinds = [JointKind::Free, JointKind::Ball, JointKind::Revolute, JointKind::Prismatic];
    let covered = |kind| cases.iter().any(|(model, _)| model.joints.iter().any(|j| j.kind == kind));
    assert!(kinds.into_iter().all(covered) && cases.iter().any(|(m, _)| m.bodies.iter().any(|b| b.mocap)));
    let request: Vec<Value> = cases
        .iter()
        .map(|(model, qpos)| json!({"xml": mjcf(model), "qpos": mujoco_qpos(model, qpos)}))
        .collect();
    let request = Value::from(request);
    let Some(answer) = testkit::available(testkit::ask_python(MUJOCO_POSES, &request)) else { return };
    for ((model, qpos), expected) in cases.iter().zip(answer.as_array().unwrap()) {
        assert_eq!(validate(model), vec![]);
        let Kinematics { world_from_body, joint_anchors, joint_axes } = kinematics(model, qpos);
        let (xpos, xquat) = (rows(&expected["xpos"]), rows(&expected["xquat"]));
        assert_eq!(world_from_body.len(), xpos.len());
        for (i, pose) in world_from_body.iter().enumerate() {
            assert_all_close(&pose.position.to_array(), &xpos[i], ROUNDING, &model.bodies[i].name);
            assert_same_rotation(pose.rotation, &xquat[i], &model.bodies[i].name);
        }
        let (xanchor, xaxis) = (rows(&expected["xanchor"]), rows(&expected["xaxis"]));
        for (i, joint) in model.joints.iter().enumerate() {
            assert_all_close(&joint_anchors[i].to_array(), &xanchor[i], ROUNDING, &joint.name);
            if joint.kind.num_dofs() == 1 {
                assert_all_close(&joint_axes[i].to_array(), &xaxis[i], ROUNDING, &joint.name);
            }
        }
        let com = center_of_mass(model, &world_from_body);
        assert_all_close(&com.to_array(), &floats(&expected["com"]), ROUNDING, "centre of mass");
        let rest = mujoco_qpos(model, &model.reference_qpos());
        assert_all_close(&rest, &floats(&expected["rest"]), ROUNDING, "reference configuration");
    }
}

#[test]
fn reference_configuration_is_the_product_of_poses() {
    let mut random = Random(11);
    for _ in 0..20 {
        let model = random_model(&mut random);
        let poses = forward_kinematics(&model, &model.reference_qpos());
        for (index, body) in model.bodies.iter().enumerate().skip(1) {
            let expected = poses[body.parent].compose(body.pose);
            assert_all_close(
                &poses[index].position.to_array(),
                &expected.position.to_array(),
                ROUNDING,
                &body.name,
            );
            assert_close(poses[index].rotation.dot(expected.rotation).abs(), 1.0, ROUNDING, &body.name);
        }
    }
}

#[test]
fn pendulum_by_hand() {
    let mut model = empty_model();
    model.bodies.push(body("arm", 0, Pose::from_position(DVec3::new(0.0, 0.0, 2.0))));
    add_joint(&mut model, JointKind::Revolute, DVec3::Y, DVec3::new(0.0, 0.0, 1.0), 0.5);
    let quarter = std::f64::consts::FRAC_PI_2;
    let poses = forward_kinematics(&model, &[0.5 + quarter]);
    // The anchor stands at z = 3; a quarter turn about y brings the body, which hung below it, to its -x side.
    assert_all_close(&poses[1].position.to_array(), &[-1.0, 0.0, 3.0], ROUNDING, "arm");
}

#[test]
fn quaternions_need_no_unit_length() {
    let mut model = empty_model();
    model.bodies.push(body("ball", 0, Pose::IDENTITY));
    add_joint(&mut model, JointKind::Ball, DVec3::X, DVec3::ZERO, 0.0);
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let long = forward_kinematics(&model, &[0.0, 0.0, 3.0 * half, 3.0 * half]);
    let unit = forward_kinematics(&model, &[0.0, 0.0, half, half]);
    assert_close(long[1].rotation.dot(unit[1].rotation), 1.0, ROUNDING, "length 3");
    assert_eq!(forward_kinematics(&model, &[0.0; 4])[1].rotation, DQuat::IDENTITY);
}

#[test]
fn broken_models_are_told_apart() {
    type Break = fn(&mut RobotModel);
    let cases: [(Break, &str); 14] = [
        (|m| m.bodies[1].parent = 2, "later parent"),
        (|m| m.bodies[1].name = "world".to_owned(), "under one name"),
        (|m| m.bodies[1].name.clear(), "has no name"),
        (|m| m.bodies[1].pose.position.x = f64::NAN, "position holds NaN"),
        (|m| m.bodies[1].pose.rotation.w += 0.1, "not of length 1"),
        (|m| m.bodies[1].inertial.mass = -1.0, "mass is -1"),
        (|m| m.bodies[1].inertial.moments = DVec3::new(1.0, 1.0, 2.1), "exceeds the sum"),
        (|m| m.bodies[1].inertial = Inertial::ZERO, "has mass"),
        (|m| m.bodies[1].inertial.moments.x = 0.0, "moments of inertia"),
        (|m| m.joints[0].axis = DVec3::ZERO, "axis of length 0"),
        (|m| m.joints[0].range = Some([1.0, -1.0]), "range is 1 to -1"),
        (|m| m.joints[0].qpos_index = 1, "starts at"),
        (|m| m.joints[0].damping = f64::INFINITY, "damping"),
        (|m| m.options.timestep = 0.0, "time step"),
    ];
    let mut good = empty_model();
    good.bodies.push(body("arm", 0, Pose::IDENTITY));
    add_joint(&mut good, JointKind::Revolute, DVec3::Y, DVec3::ZERO, 0.0);
    assert_eq!(validate(&good), vec![]);
    for (break_it, text) in cases {
        let mut model = good.clone();
        break_it(&mut model);
        let problems = validate(&model);
        let all = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(all.contains(text), "`{all}` does not say `{text}`");
        let error: Error = problems[0].at(keiko_model::error::Location::file("robot.xml"));
        assert!(error.to_string().starts_with("robot.xml: "), "{error}");
    }
}
