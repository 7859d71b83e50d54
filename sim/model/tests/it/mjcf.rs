//! MJCF files with closed-form answers, and what is lost from them.

use std::f64::consts::PI;
use std::path::PathBuf;

use glam::{DQuat, DVec3};
use keiko_model::error::ErrorKind;
use keiko_model::import::{Import, ImportOptions, Verdict, load};
use keiko_model::robot::{EqualityKind, JointKind, RobotModel, SensorKind, Shape};
use keiko_model::{Error, Pose};
use keiko_testkit::{assert_all_close, assert_close};

use crate::support::folder;

/// Rounding of a few operations on numbers of size 1.
const EXACT: f64 = 1e-12;

fn file(name: &str, text: &str) -> PathBuf {
    let path = folder(&format!("mjcf-{name}")).join("robot.xml");
    std::fs::write(&path, text).unwrap();
    path
}

fn import(name: &str, text: &str) -> Import {
    load(&file(name, text), &ImportOptions::default()).unwrap_or_else(|e| panic!("{e}"))
}

fn model(name: &str, text: &str) -> RobotModel {
    import(name, text).model
}

fn refusal(name: &str, text: &str) -> Error {
    match load(&file(name, text), &ImportOptions::default()) {
        Ok(_) => panic!("{name} was accepted"),
        Err(e) => e,
    }
}

fn assert_vec(actual: DVec3, expected: DVec3, what: &str) {
    assert_all_close(&actual.to_array(), &expected.to_array(), EXACT, what);
}

fn assert_rotation(actual: DQuat, expected: DQuat, what: &str) {
    assert_close(actual.dot(expected).abs(), 1.0, EXACT, what);
}

#[test]
fn a_pole_on_a_cart() {
    let m = model(
        "cartpole",
        r#"<mujoco model="cartpole">
             <compiler angle="radian"/>
             <option timestep="0.004" gravity="0 0 -9" cone="elliptic" impratio="10"/>
             <worldbody>
               <body name="cart" pos="0 0 1">
                 <joint name="slide" type="slide" axis="2 0 0" range="-1 1" damping="0.1"/>
                 <geom type="box" size=".1 .2 .3" mass="2"/>
                 <body name="pole">
                   <joint name="hinge" axis="0 1 0" armature="0.01"/>
                   <geom type="capsule" fromto="0 0 0 0 0 0.6" size=".05" density="500"/>
                 </body>
               </body>
             </worldbody>
             <actuator><motor name="push" joint="slide" gear="50" ctrlrange="-1 1"/></actuator>
           </mujoco>"#,
    );
    assert_eq!(m.name, "cartpole");
    assert_eq!((m.options.timestep, m.options.gravity.z, m.options.impratio), (0.004, -9.0, 10.0));
    assert_eq!(m.joints.iter().map(|j| j.name.as_str()).collect::<Vec<_>>(), ["slide", "hinge"]);
    assert_eq!((m.joints[0].kind, m.joints[1].kind), (JointKind::Prismatic, JointKind::Revolute));
    assert_eq!(m.joints[0].axis, DVec3::X);
    assert_eq!((m.joints[0].range, m.joints[1].range), (Some([-1.0, 1.0]), None));
    assert_eq!((m.joints[1].qpos_index, m.joints[1].dof_index), (1, 1));
    let cart = m.bodies[1].inertial;
    assert_vec(
        cart.moments,
        DVec3::new(0.04 + 0.09, 0.01 + 0.09, 0.01 + 0.04) * 2.0 / 3.0,
        "moments of a box",
    );
    let pole = m.bodies[2].inertial;
    assert_close(
        pole.mass,
        500.0 * PI * (0.05f64.powi(2) * 0.6 + 4.0 / 3.0 * 0.05f64.powi(3)),
        EXACT,
        "capsule",
    );
    assert_vec(pole.pose.position, DVec3::new(0.0, 0.0, 0.3), "centre of the capsule");
    assert_eq!((m.actuators[0].gear[0], m.actuators[0].gain, m.actuators[0].bias), (50.0, 1.0, [0.0; 3]));
    assert_eq!(m.actuators[0].ctrl_range, Some([-1.0, 1.0]));
}

#[test]
fn five_ways_to_turn() {
    let m = model(
        "orientation",
        r#"<mujoco><worldbody>
             <body quat="2 0 0 2"/>
             <body axisangle="0 0 3 90"/>
             <body xyaxes="0 2 0 -1 5 0"/>
             <body zaxis="0 -1 0"/>
             <body euler="90 0 90"/>
           </worldbody></mujoco>"#,
    );
    let quarter = DQuat::from_rotation_z(PI / 2.0);
    let expected = [
        quarter,
        quarter,
        quarter,
        DQuat::from_rotation_x(PI / 2.0),
        // Moving axes: about x, then about the new z.
        DQuat::from_rotation_x(PI / 2.0) * quarter,
    ];
    for (body, rotation) in m.bodies[1..].iter().zip(expected) {
        assert_rotation(body.pose.rotation, rotation, &body.name);
    }
}

#[test]
fn fixed_axes_turn_the_other_way_round() {
    let text = |sequence: &str| {
        format!(
            r#"<mujoco><compiler eulerseq="{sequence}"/><worldbody><body euler="30 40 50"/></worldbody></mujoco>"#
        )
    };
    let [x, y, z] = [30f64, 40.0, 50.0].map(f64::to_radians);
    let [x, y, z] = [DQuat::from_rotation_x(x), DQuat::from_rotation_y(y), DQuat::from_rotation_z(z)];
    assert_rotation(model("xyz", &text("xyz")).bodies[1].pose.rotation, x * y * z, "xyz");
    assert_rotation(model("XYZ", &text("XYZ")).bodies[1].pose.rotation, z * y * x, "XYZ");
}

#[test]
fn classes_inherit_and_the_nearest_wins() {
    let m = model(
        "classes",
        r#"<mujoco>
             <default>
               <geom friction="0.9 0.8 0.7" density="100"/>
               <joint damping="1" armature="2"/>
               <default class="leg">
                 <joint damping="3"/>
                 <geom friction="0.5"/>
                 <default class="foot"><geom type="box" size="1 2 3"/></default>
               </default>
             </default>
             <worldbody>
               <body childclass="leg">
                 <joint name="a"/>
                 <joint name="b" class="main"/>
                 <joint name="c" damping="7" axis="1 0 0"/>
                 <geom name="thigh" size="1"/>
                 <geom name="sole" class="foot"/>
                 <body><joint name="d" class="main"/><geom name="shin" size="1" friction="0.1 0.2"/></body>
               </body>
             </worldbody>
           </mujoco>"#,
    );
    let damping: Vec<f64> = m.joints.iter().map(|j| j.damping).collect();
    assert_eq!(damping, [3.0, 1.0, 7.0, 1.0]);
    assert!(m.joints.iter().all(|j| j.armature == 2.0));
    let friction: Vec<[f64; 3]> = m.geoms.iter().map(|g| g.friction.to_array()).collect();
    assert_eq!(friction, [[0.5, 0.8, 0.7], [0.5, 0.8, 0.7], [0.1, 0.2, 0.7]]);
    assert_eq!(m.geoms[1].shape, Shape::Box { half_size: DVec3::new(1.0, 2.0, 3.0) });
}

#[test]
fn frames_and_replicas_are_unrolled() {
    let m = model(
        "replicate",
        r#"<mujoco>
             <worldbody>
               <frame pos="0 0 1" euler="0 0 90">
                 <replicate count="3" offset="1 0 0" euler="0 0 30" sep="_">
                   <body name="post" pos="0.5 0 0"><geom name="cap" size="0.1"/></body>
                 </replicate>
               </frame>
             </worldbody>
           </mujoco>"#,
    );
    let names: Vec<&str> = m.bodies.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(names, ["world", "post_0", "post_1", "post_2"]);
    let mut frame = Pose::new(DVec3::Z, DQuat::from_rotation_z(PI / 2.0));
    let step = Pose::new(DVec3::X, DQuat::from_rotation_z(PI / 6.0));
    for body in &m.bodies[1..] {
        assert_vec(body.pose.position, frame.transform_point(DVec3::new(0.5, 0.0, 0.0)), &body.name);
        assert_rotation(body.pose.rotation, frame.rotation, &body.name);
        frame = frame.compose(step);
    }
}

#[test]
fn geoms_stand_in_body_order_whatever_the_file_says() {
    let m = model(
        "order",
        r#"<mujoco><worldbody>
             <body name="a">
               <body name="b"><geom name="b1" size="1"/></body>
               <geom name="a1" size="1"/><site name="s"/>
             </body>
             <geom name="floor" type="plane" size="0 0 1"/>
           </worldbody></mujoco>"#,
    );
    let names: Vec<&str> = m.geoms.iter().map(|g| g.name.as_str()).collect();
    assert_eq!(names, ["floor", "a1", "b1"]);
    assert_eq!(m.sites[0].body, 1);
}

#[test]
fn two_balls_make_a_dumbbell() {
    let m = model(
        "dumbbell",
        r#"<mujoco><worldbody><body>
             <geom size="0.1" pos="0.5 0 0" mass="1"/><geom size="0.1" pos="-0.5 0 0" mass="3"/>
           </body></worldbody></mujoco>"#,
    );
    let inertial = m.bodies[1].inertial;
    assert_close(inertial.mass, 4.0, EXACT, "mass");
    assert_vec(inertial.pose.position, DVec3::new(-0.25, 0.0, 0.0), "centre");
    let own = 0.4 * 4.0 * 0.01;
    let across = own + 1.0 * 0.75f64.powi(2) + 3.0 * 0.25f64.powi(2);
    assert_all_close(&inertial.moments.to_array(), &[across, across, own], EXACT, "moments");
}

#[test]
fn a_full_inertia_is_turned_to_its_axes() {
    let turn = DQuat::from_axis_angle(DVec3::new(1.0, 2.0, 3.0).normalize(), 0.7);
    let axes = glam::DMat3::from_quat(turn);
    let i = axes * glam::DMat3::from_diagonal(DVec3::new(3.0, 2.5, 1.0)) * axes.transpose();
    let full =
        format!("{} {} {} {} {} {}", i.x_axis.x, i.y_axis.y, i.z_axis.z, i.y_axis.x, i.z_axis.x, i.z_axis.y);
    let m = model(
        "full",
        &format!(
            r#"<mujoco><worldbody><body><inertial pos="1 2 3" mass="4" fullinertia="{full}"/></body></worldbody></mujoco>"#
        ),
    );
    let inertial = m.bodies[1].inertial;
    assert_all_close(&inertial.moments.to_array(), &[3.0, 2.5, 1.0], EXACT, "moments");
    let back = glam::DMat3::from_quat(inertial.pose.rotation);
    let rebuilt = back * glam::DMat3::from_diagonal(inertial.moments) * back.transpose();
    assert_all_close(&rebuilt.to_cols_array(), &i.to_cols_array(), 1e-11, "tensor");
}

#[test]
fn shells_weigh_by_their_surface() {
    let m = model(
        "shell",
        r#"<mujoco><default><geom shellinertia="true" density="1"/></default><worldbody>
             <body><geom size="2"/></body>
             <body><geom type="cylinder" size="1 2"/></body>
             <body><geom type="capsule" size="1 2"/></body>
             <body><geom type="box" size="1 1 1"/></body>
           </worldbody></mujoco>"#,
    );
    let masses: Vec<f64> = m.bodies[1..].iter().map(|b| b.inertial.mass).collect();
    assert_all_close(&masses, &[16.0 * PI, 10.0 * PI, 12.0 * PI, 24.0], 1e-11, "surfaces");
    // A cube's shell of side a: 5/18 m a².
    assert_vec(
        m.bodies[4].inertial.moments,
        DVec3::splat(5.0 / 18.0 * 24.0 * 4.0),
        "moments of a cube's shell",
    );
}

#[test]
fn actuators_are_gain_and_bias() {
    let m = model(
        "actuators",
        r#"<mujoco>
             <default><default class="servo"><position kp="20" kv="2"/></default></default>
             <worldbody><body><joint name="j" range="-90 90"/><geom size="1"/></body></worldbody>
             <actuator>
               <motor joint="j"/>
               <position joint="j" class="servo" inheritrange="0.5"/>
               <velocity joint="j" kv="5" forcerange="-3 3"/>
               <general joint="j" class="servo" gainprm="7" dyntype="filter" dynprm="0.25"/>
               <cylinder joint="j" area="4" timeconst="0.5" bias="1 2 3"/>
               <muscle name="biceps" joint="j"/>
             </actuator>
             <keyframe><key ctrl="1 2 3 4 5 6"/></keyframe>
           </mujoco>"#,
    );
    let numbers: Vec<(f64, [f64; 3], f64)> =
        m.actuators.iter().map(|a| (a.gain, a.bias, a.time_constant)).collect();
    assert_eq!(
        numbers,
        [
            (1.0, [0.0; 3], 0.0),
            (20.0, [0.0, -20.0, -2.0], 0.0),
            (5.0, [0.0, 0.0, -5.0], 0.0),
            (7.0, [0.0, -20.0, -2.0], 0.25),
            (4.0, [1.0, 2.0, 3.0], 0.5),
        ]
    );
    assert_all_close(&m.actuators[1].ctrl_range.unwrap(), &[-PI / 4.0, PI / 4.0], EXACT, "inherited range");
    assert_eq!(m.actuators[2].force_range, Some([-3.0, 3.0]));
    // The muscle is gone, and its control with it.
    assert_eq!(m.keyframes[0].ctrl, [1.0, 2.0, 3.0, 4.0, 5.0]);
}

#[test]
fn a_damping_ratio_of_one_is_critical() {
    let m = model(
        "dampratio",
        r#"<mujoco>
             <compiler angle="radian"/>
             <worldbody><body><joint name="j" axis="0 1 0" armature="0.5"/>
               <inertial pos="0 0 2" mass="3" diaginertia="0.1 0.2 0.3"/></body></worldbody>
             <actuator><position joint="j" kp="100" dampratio="1"/></actuator>
           </mujoco>"#,
    );
    let inertia: f64 = 0.5 + 0.2 + 3.0 * 4.0;
    assert_close(m.actuators[0].bias[2], -2.0 * (100.0 * inertia).sqrt(), 1e-10, "damping");
}

#[test]
fn a_spring_damper_has_its_time_constant() {
    let m = model(
        "springdamper",
        r#"<mujoco><worldbody><body><joint type="slide" springdamper="0.5 1"/>
             <geom size="1" mass="8"/></body></worldbody></mujoco>"#,
    );
    assert_close(m.joints[0].stiffness, 8.0 / 0.25, 1e-10, "stiffness");
    assert_close(m.joints[0].damping, 2.0 * 8.0 / 0.5, 1e-10, "damping");
}

#[test]
fn a_keyframe_turns_its_quaternions_to_xyzw() {
    let m = model(
        "keyframe",
        r#"<mujoco><worldbody><body><freejoint/><geom size="1"/>
             <body><joint type="ball"/><geom size="1"/></body></body></worldbody>
             <keyframe><key name="home" qpos="1 2 3  0 0 0 1  1 0 0 0" qvel="1 2 3 4 5 6 7 8 9"/></keyframe></mujoco>"#,
    );
    let key = &m.keyframes[0];
    assert_eq!(key.qpos, [1.0, 2.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(key.qvel.len(), 9);
}

#[test]
fn welds_without_a_pose_keep_the_one_at_the_start() {
    let m = model(
        "equality",
        r#"<mujoco><worldbody>
             <body name="a" pos="1 0 0" euler="0 0 90"><joint name="ja"/><geom size="1"/></body>
             <body name="b" pos="1 2 0"><joint name="jb"/><geom size="1"/></body>
           </worldbody>
           <equality>
             <weld body1="a" body2="b"/><connect body1="a" body2="b" anchor="0 0 0"/>
             <joint joint1="ja" joint2="jb" polycoef="0 2"/>
           </equality></mujoco>"#,
    );
    let EqualityKind::Weld { a_from_b, .. } = &m.equalities[0].kind else { panic!("no weld") };
    assert_vec(a_from_b.position, DVec3::new(2.0, 0.0, 0.0), "b seen from a");
    assert_rotation(a_from_b.rotation, DQuat::from_rotation_z(-PI / 2.0), "b seen from a");
    let EqualityKind::Connect { anchor_in_b, .. } = &m.equalities[1].kind else { panic!("no connect") };
    assert_vec(*anchor_in_b, DVec3::new(0.0, -2.0, 0.0), "anchor in b");
    let expected = EqualityKind::Joint { joint: 0, other: Some(1), polynomial: [0.0, 2.0, 0.0, 0.0, 0.0] };
    assert_eq!(m.equalities[2].kind, expected);
}

#[test]
fn meshes_move_to_their_inertial_frame() {
    // A box of 2 x 4 x 6 about (5, 0, 0), as eight corners and twelve triangles.
    let vertices: String = (0..8)
        .map(|i| {
            let sign = |bit: i32| if i >> bit & 1 == 1 { 1.0 } else { -1.0 };
            format!("{} {} {} ", 5.0 + sign(0), 2.0 * sign(1), 3.0 * sign(2))
        })
        .collect();
    let faces = "0 2 1 1 2 3 4 5 6 5 7 6 0 1 4 1 5 4 2 6 3 3 6 7 0 4 2 2 4 6 1 3 5 3 7 5";
    let m = model(
        "mesh",
        &format!(
            r#"<mujoco><asset><mesh name="brick" vertex="{vertices}" face="{faces}"/></asset>
                 <worldbody>
                   <body><geom type="mesh" mesh="brick" density="2"/></body>
                   <body><geom type="box" mesh="brick" mass="1"/></body>
                 </worldbody></mujoco>"#
        ),
    );
    // Vertices are kept in single precision.
    const SINGLE: f64 = 1e-5;
    let brick = m.bodies[1].inertial;
    assert_close(brick.mass, 2.0 * 48.0, SINGLE, "mass");
    assert_all_close(&m.geoms[0].pose.position.to_array(), &[5.0, 0.0, 0.0], SINGLE, "place of the mesh");
    let longest = m.meshes[0].vertices.iter().fold([0f32; 3], |m, v| [0, 1, 2].map(|k| m[k].max(v[k].abs())));
    // Moments descend along the axes, so lengths ascend.
    assert_all_close(&longest.map(f64::from), &[1.0, 2.0, 3.0], SINGLE, "half sizes in the new frame");
    let Shape::Box { half_size } = m.geoms[1].shape else { panic!("not fitted") };
    assert_all_close(&half_size.to_array(), &[1.0, 2.0, 3.0], SINGLE, "box of the same inertia");
}

#[test]
fn height_fields_span_their_height() {
    let m = model(
        "hfield",
        r#"<mujoco><asset><hfield name="h" nrow="2" ncol="3" size="1 2 0.5 0.1" elevation="1 1 1 2 3 5"/></asset>
             <worldbody><geom type="hfield" hfield="h"/></worldbody></mujoco>"#,
    );
    let field = &m.height_fields[0];
    assert_eq!((field.num_rows, field.num_cols, field.half_size, field.base), (2, 3, [1.0, 2.0], 0.1));
    // The last line of the file is the row of least y.
    assert_eq!(field.heights, [0.125, 0.25, 0.5, 0.0, 0.0, 0.0]);
}

#[test]
fn losses_are_named_and_sorted() {
    let import = import(
        "losses",
        r#"<mujoco>
             <option integrator="RK4" density="1000"/>
             <visual><quality shadowsize="0"/></visual>
             <worldbody>
               <light pos="0 0 3" active="false"/>
               <body name="b"><joint name="j" frictionloss="1" solreffriction="0.1 1"/><geom name="g" size="1" fluidshape="ellipsoid"/>
                 <site name="s"/></body>
             </worldbody>
             <tendon><spatial name="string"><site site="s"/><site site="s"/></spatial></tendon>
             <actuator><motor name="pull" tendon="string"/><motor name="turn" joint="j"/></actuator>
             <sensor><actuatorfrc name="felt" actuator="pull"/><gyro name="spin" site="s"/></sensor>
           </mujoco>"#,
    );
    let found: Vec<(&str, Verdict, bool)> =
        import.report.entries.iter().map(|l| (l.element.as_str(), l.verdict, l.visual)).collect();
    for expected in [
        ("option density", Verdict::Dropped, false),
        ("option `integrator`", Verdict::Approximated, false),
        ("visual", Verdict::Dropped, true),
        ("light", Verdict::Dropped, true),
        ("joint `j` `solreffriction`", Verdict::Approximated, false),
        ("geom `g` `fluidshape`", Verdict::Dropped, false),
        ("spatial `string`", Verdict::Dropped, false),
        ("actuator motor `pull`", Verdict::Dropped, false),
        ("sensor actuatorfrc `felt`", Verdict::Dropped, false),
    ] {
        assert!(found.contains(&expected), "{expected:?} is not in {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
    assert_eq!(import.model.actuators[0].name, "turn");
    assert_eq!(import.model.sensors[0].kind, SensorKind::Gyro(0));
    let pull = import.report.entries.iter().find(|l| l.element.contains("pull")).unwrap();
    assert!(pull.location.ends_with("robot.xml:10:24"), "{}", pull.location);
    assert_eq!(import.report.kept["actuator"], 1);
}

#[test]
fn what_would_move_differently_is_refused() {
    for (name, feature, inner) in [
        ("composite", "composite", r#"<worldbody><composite type="cable"/></worldbody>"#),
        ("flexcomp", "flexcomp", r#"<worldbody><flexcomp name="f" type="grid"/></worldbody>"#),
        ("plugin", "plugin", r#"<extension><plugin plugin="mujoco.elasticity.cable"/></extension>"#),
        ("sdf", "sdf", r#"<worldbody><geom type="sdf"/></worldbody>"#),
        ("global", "global", r#"<compiler coordinate="global"/>"#),
    ] {
        let error = refusal(name, &format!("<mujoco>{inner}</mujoco>"));
        assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
        assert!(error.message.contains(feature), "{error}");
        assert_eq!(error.location.line, 1);
    }
}

#[test]
fn included_files_are_put_in_place() {
    let folder = folder("mjcf-include");
    std::fs::create_dir(folder.join("parts")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write(
        "robot.xml",
        r#"<mujoco><worldbody><body name="a"><include file="parts/arm.xml"/></body></worldbody></mujoco>"#,
    );
    write(
        "parts/arm.xml",
        r#"<mujocoinclude><geom name="g" size="1"/><include file="hand.xml"/></mujocoinclude>"#,
    );
    write(
        "parts/hand.xml",
        r#"<mujocoinclude><body name="hand"><geom name="h" size="0"/></body></mujocoinclude>"#,
    );
    let error = load(&folder.join("robot.xml"), &ImportOptions::default()).unwrap_err();
    // The place is in the innermost file.
    assert!(error.location.file.ends_with("parts/hand.xml"), "{error}");
    write(
        "parts/hand.xml",
        r#"<mujocoinclude><body name="hand"><geom name="h" size="1"/></body></mujocoinclude>"#,
    );
    let model = load(&folder.join("robot.xml"), &ImportOptions::default()).unwrap().model;
    assert_eq!(model.bodies[2].parent, 1);
    assert_eq!(model.geoms.len(), 2);
}
