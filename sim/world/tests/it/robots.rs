//! Models built by hand, so that each number in a test stands next to it.

use glam::{DQuat, DVec3};
use keiko_model::Pose;
use keiko_model::robot::*;

pub const GRAVITY: f64 = 9.81;

/// A model under construction, bodies in depth-first order.
pub struct Builder(pub RobotModel);

impl Builder {
    pub fn new(name: &str) -> Self {
        let world = Body {
            name: "world".into(),
            parent: 0,
            pose: Pose::IDENTITY,
            inertial: Inertial::ZERO,
            joints: 0..0,
            gravity_compensation: 0.0,
            mocap: false,
        };
        Self(RobotModel { name: name.into(), bodies: vec![world], ..RobotModel::default() })
    }

    pub fn without_gravity(mut self) -> Self {
        self.0.options.gravity = DVec3::ZERO;
        self
    }

    pub fn body(
        &mut self,
        parent: usize,
        position: [f64; 3],
        mass: f64,
        com: [f64; 3],
        moments: [f64; 3],
    ) -> usize {
        let inertial = Inertial { mass, pose: Pose::from_position(com.into()), moments: moments.into() };
        let joints = self.0.joints.len()..self.0.joints.len();
        self.0.bodies.push(Body {
            name: format!("body{}", self.0.bodies.len()),
            parent,
            pose: Pose::from_position(position.into()),
            inertial,
            joints,
            gravity_compensation: 0.0,
            mocap: false,
        });
        self.0.bodies.len() - 1
    }

    pub fn joint(&mut self, body: usize, kind: JointKind, axis: [f64; 3], anchor: [f64; 3]) -> usize {
        let index = self.0.joints.len();
        assert_eq!(self.0.bodies[body].joints.end, index, "joints are added in body order");
        self.0.bodies[body].joints.end += 1;
        let (qpos_index, dof_index) = (self.0.num_qpos(), self.0.num_dofs());
        self.0.joints.push(Joint {
            name: format!("joint{index}"),
            body,
            kind,
            axis: axis.into(),
            anchor: anchor.into(),
            range: None,
            reference: 0.0,
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
            qpos_index,
            dof_index,
        });
        index
    }

    pub fn geom(&mut self, body: usize, position: [f64; 3], shape: Shape) -> usize {
        let index = self.0.geoms.len();
        self.0.geoms.push(Geom {
            name: format!("geom{index}"),
            body,
            pose: Pose::from_position(position.into()),
            shape,
            contype: 1,
            conaffinity: 1,
            condim: 3,
            friction: DVec3::new(1.0, 0.0, 0.0),
            restitution: 0.0,
            priority: 0,
            solmix: 1.0,
            softness: Softness::default(),
            margin: 0.0,
            gap: 0.0,
            group: 0,
            rgba: [0.5; 4],
            material: None,
        });
        index
    }

    pub fn floor(&mut self) -> usize {
        self.geom(0, [0.0; 3], Shape::Plane { half_size: [0.0; 2] })
    }

    pub fn actuator(&mut self, transmission: Transmission, gain: f64, bias: [f64; 3]) -> usize {
        let index = self.0.actuators.len();
        self.0.actuators.push(Actuator {
            name: format!("actuator{index}"),
            kind: ActuatorKind::General,
            transmission,
            gear: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            gain,
            bias,
            ctrl_range: None,
            force_range: None,
            time_constant: 0.0,
        });
        index
    }

    pub fn position_servo(&mut self, joint: usize, kp: f64, kd: f64) -> usize {
        self.actuator(Transmission::Joint { joint }, kp, [0.0, -kp, -kd])
    }

    pub fn motor(&mut self, joint: usize) -> usize {
        self.actuator(Transmission::Joint { joint }, 1.0, [0.0; 3])
    }

    pub fn site(&mut self, body: usize, pose: Pose) -> usize {
        self.0.sites.push(Site { name: format!("site{}", self.0.sites.len()), body, pose });
        self.0.sites.len() - 1
    }

    pub fn sensor(&mut self, kind: SensorKind) -> usize {
        let at = self.0.num_sensor_values();
        self.0.sensors.push(Sensor {
            name: format!("sensor{}", self.0.sensors.len()),
            kind,
            noise: 0.0,
            cutoff: 0.0,
        });
        at
    }
}

/// A point-like mass of 1 kg (radius 0.05 m) one metre below a hinge about y.
pub fn pendulum() -> RobotModel {
    let mut b = Builder::new("pendulum");
    let body = b.body(0, [0.0, 0.0, 2.0], 1.0, [0.0, 0.0, -1.0], [0.001; 3]);
    b.joint(body, JointKind::Revolute, [0.0, 1.0, 0.0], [0.0; 3]);
    b.0
}

/// A cart on a rail along x with a pole; one motor on the cart.
pub fn cartpole() -> RobotModel {
    let mut b = Builder::new("cartpole");
    let cart = b.body(0, [0.0; 3], 1.0, [0.0; 3], [0.01; 3]);
    let slide = b.joint(cart, JointKind::Prismatic, [1.0, 0.0, 0.0], [0.0; 3]);
    let pole = b.body(cart, [0.0; 3], 0.1, [0.0, 0.0, 0.5], [0.00834, 0.00834, 1e-4]);
    b.joint(pole, JointKind::Revolute, [0.0, 1.0, 0.0], [0.0; 3]);
    b.motor(slide);
    b.0
}

/// A trunk with four legs of three servo joints each, feet of 2 cm, on a floor; an IMU on the trunk.
pub fn quadruped() -> RobotModel {
    let mut b = Builder::new("quadruped");
    b.floor();
    let trunk = b.body(0, [0.0, 0.0, 0.35], 5.2, [0.01, 0.0, 0.02], [0.0168, 0.063, 0.0717]);
    b.joint(trunk, JointKind::Free, [0.0; 3], [0.0; 3]);
    b.geom(trunk, [0.0; 3], Shape::Box { half_size: DVec3::new(0.19, 0.047, 0.057) });
    for (sx, sy) in [(1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0)] {
        let hip = b.body(trunk, [0.188 * sx, 0.0465 * sy, 0.0], 0.68, [0.0; 3], [0.0003, 0.0006, 0.0005]);
        let roll = b.joint(hip, JointKind::Revolute, [1.0, 0.0, 0.0], [0.0; 3]);
        let thigh = b.body(hip, [0.0, 0.08 * sy, 0.0], 0.89, [0.0, 0.0, -0.03], [0.005, 0.005, 0.001]);
        let pitch = b.joint(thigh, JointKind::Revolute, [0.0, 1.0, 0.0], [0.0; 3]);
        b.geom(thigh, [0.0, 0.0, -0.1], Shape::Capsule { radius: 0.015, half_length: 0.08 });
        let calf = b.body(thigh, [0.0, 0.0, -0.213], 0.16, [0.0, 0.0, -0.1], [0.003, 0.003, 0.0001]);
        let knee = b.joint(calf, JointKind::Revolute, [0.0, 1.0, 0.0], [0.0; 3]);
        b.geom(calf, [0.0, 0.0, -0.213], Shape::Sphere { radius: 0.02 });
        for joint in [roll, pitch, knee] {
            b.0.joints[joint].armature = 0.01;
            b.0.joints[joint].damping = 0.1;
            let servo = b.position_servo(joint, 40.0, 1.0);
            b.0.actuators[servo].force_range = Some([-23.0, 23.0]);
        }
    }
    let site = b.site(trunk, Pose::IDENTITY);
    for kind in [SensorKind::Accelerometer(site), SensorKind::Gyro(site), SensorKind::Velocimeter(site)] {
        b.sensor(kind);
    }
    b.0
}

/// The quadruped's standing pose: joint angles that its servos hold.
pub const STANCE: [f32; 3] = [0.0, 0.6, -1.2];

/// `qpos` of the quadruped standing at a height.
pub fn standing(height: f32) -> Vec<f32> {
    let mut qpos = vec![0.0, 0.0, height, 0.0, 0.0, 0.0, 1.0];
    (0..4).for_each(|_| qpos.extend(STANCE));
    qpos
}

/// A rotation by degrees about an axis.
pub fn turn(axis: DVec3, degrees: f64) -> DQuat {
    DQuat::from_axis_angle(axis.normalize(), degrees.to_radians())
}
