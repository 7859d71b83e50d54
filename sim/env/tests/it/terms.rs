//! Terms against slow definitions: one environment at a time, in `f64`, from the state's columns.

use keiko_env::{TaskEnv, VecEnv};
use keiko_model::TaskSpec;

use crate::common::{actions, options, repository};

/// `f32` terms against `f64` definitions: sums of up to 50 products of rounded numbers.
const TOLERANCE: f64 = 2e-5;

type Vec3 = [f64; 3];

const HOME: [f64; 12] = [0.0, 0.9, -1.8, 0.0, 0.9, -1.8, 0.0, 0.9, -1.8, 0.0, 0.9, -1.8];
const TRUNK: usize = 1;
const CALVES: [usize; 4] = [4, 7, 10, 13];
const THIGHS: [usize; 4] = [3, 6, 9, 12];
const FOOT: Vec3 = [0.0, 0.0, -0.213];

/// What the slow definitions look at: one environment after one step.
struct Slow<'a> {
    env: &'a TaskEnv,
    i: usize,
    action: Vec<f64>,
    previous_action: Vec<f64>,
    previous_qvel: Vec<f64>,
    previous_body_position: Vec<f64>,
    landed: [f64; 4],
    step: usize,
}

impl Slow<'_> {
    fn triple(&self, field: &keiko_world::Field, body: usize) -> Vec3 {
        [0, 1, 2].map(|k| f64::from(field.get(3 * body + k, self.i)))
    }
    fn position(&self, body: usize) -> Vec3 {
        self.triple(&self.env.state().body_position, body)
    }
    fn velocity(&self, body: usize) -> Vec3 {
        self.triple(&self.env.state().body_linear_velocity, body)
    }
    fn spin(&self, body: usize) -> Vec3 {
        self.triple(&self.env.state().body_angular_velocity, body)
    }
    fn force(&self, body: usize) -> Vec3 {
        self.triple(&self.env.state().contact_force, body)
    }
    /// Rotation matrix, rows, from the quaternion.
    fn matrix(&self, body: usize) -> [Vec3; 3] {
        let [x, y, z, w] =
            [0, 1, 2, 3].map(|k| f64::from(self.env.state().body_rotation.get(4 * body + k, self.i)));
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w)],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w)],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y)],
        ]
    }
    fn in_base(&self, v: Vec3) -> Vec3 {
        let m = self.matrix(TRUNK);
        [0, 1, 2].map(|k| m[0][k] * v[0] + m[1][k] * v[1] + m[2][k] * v[2])
    }
    fn turned(&self, body: usize, v: Vec3) -> Vec3 {
        self.matrix(body).map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }
    fn foot(&self, leg: usize) -> Vec3 {
        let (p, arm) = (self.position(CALVES[leg]), self.turned(CALVES[leg], FOOT));
        [p[0] + arm[0], p[1] + arm[1], p[2] + arm[2]]
    }
    fn foot_speed(&self, leg: usize) -> f64 {
        let (v, w, r) = (self.velocity(CALVES[leg]), self.spin(CALVES[leg]), self.turned(CALVES[leg], FOOT));
        (v[0] + w[1] * r[2] - w[2] * r[1]).hypot(v[1] + w[2] * r[0] - w[0] * r[2])
    }
    fn q(&self, joint: usize) -> f64 {
        f64::from(self.env.state().qpos.get(7 + joint, self.i))
    }
    fn v(&self, joint: usize) -> f64 {
        f64::from(self.env.state().qvel.get(6 + joint, self.i))
    }
    fn torque(&self, joint: usize) -> f64 {
        f64::from(self.env.state().actuator_force.get(joint, self.i))
    }
    fn command(&self, command: usize) -> Vec3 {
        self.triple(self.env.commands(), command)
    }
}

fn norm(v: Vec3) -> f64 {
    v.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn sum(n: usize, f: impl Fn(usize) -> f64) -> f64 {
    (0..n).map(f).sum()
}

/// Range of each kind of joint in the robot file.
fn range(joint: usize) -> [f64; 2] {
    [[-0.86, 0.86], [-0.68, 4.5], [-2.8, -0.88]][joint % 3]
}

fn task(tail: &str) -> TaskSpec {
    let head = r#"
name = "terms"
[robot]
file = "../../assets/robots/quadruped/quadruped.xml"
end_effector = "FL"
[[props]]
name = "floor"
shape = { kind = "plane" }
[physics]
timestep = 0.005
decimation = 4
[action]
kind = "position"
scale = 0.7
[command.go]
kind = "velocity"
x = [0.3, 1.0]
y = [-0.5, 0.5]
yaw = [-0.5, 0.5]
[command.rest]
kind = "velocity"
x = [0.0, 0.0]
[command.point]
kind = "point_in_shell"
center = [0.2, 0.1, 0.3]
radius = [0.1, 0.3]
[randomize]
joints = { term = "joint_position", offset = [-0.2, 0.2] }
spin = { term = "base_velocity", linear = [-0.5, 0.5], angular = [-1.0, 1.0] }
turn = { term = "base_pose", yaw = [-3.0, 3.0] }
"#;
    let path = repository().join("scenes/walk/scene.toml");
    TaskSpec::parse(&format!("{head}{tail}"), &path, &[]).unwrap_or_else(|error| panic!("{error}"))
}

/// Steps a batch and hands each environment's state after each step to `check`.
fn walk_through(tail: &str, mut check: impl FnMut(&Slow<'_>)) {
    const STEPS: usize = 25;
    const N: usize = 3;
    let mut env = TaskEnv::new(&task(tail), &options(N, 5)).unwrap_or_else(|error| panic!("{error}"));
    let mut previous_action = vec![vec![0.0; 12]; N];
    let mut air = [[0.0_f64; 4]; N];
    for step in 0..STEPS {
        let action = actions(&env, step, 0);
        let columns = |field: &keiko_world::Field| -> Vec<Vec<f64>> {
            (0..N).map(|i| field.column(i).map(f64::from).collect()).collect()
        };
        let previous_qvel = columns(&env.state().qvel);
        let previous_body_position = columns(&env.state().body_position);
        env.step(&action);
        for i in 0..N {
            let mut slow = Slow {
                env: &env,
                i,
                action: action.column(i).map(f64::from).collect(),
                previous_action: previous_action[i].clone(),
                previous_qvel: previous_qvel[i].clone(),
                previous_body_position: previous_body_position[i].clone(),
                landed: [0.0; 4],
                step: step + 1,
            };
            for leg in 0..4 {
                if norm(slow.force(CALVES[leg])) > 1.0 {
                    slow.landed[leg] = air[i][leg];
                    air[i][leg] = 0.0;
                } else {
                    air[i][leg] += 0.02;
                }
            }
            check(&slow);
            previous_action[i] = slow.action.clone();
        }
    }
}

fn check_reward(term: &str, expected: impl Fn(&Slow<'_>) -> f64) {
    let tail = format!(
        "[observe.policy]\nt = {{ term = \"time_left\" }}\n[reward]\nr = {{ weight = 1.0, {term} }}\n"
    );
    let mut largest = 0.0_f64;
    walk_through(&tail, |slow| {
        let found = f64::from(slow.env.output().reward[slow.i]);
        let expected = expected(slow);
        largest = largest.max(expected.abs());
        assert!(
            (found - expected).abs() <= TOLERANCE * (1.0 + expected.abs()),
            "{term}: step {} env {}: {found}, by definition {expected}",
            slow.step,
            slow.i
        );
    });
    assert!(largest > 0.0, "{term} was zero throughout: nothing was tested");
}

#[test]
fn rewards_of_the_base() {
    check_reward("term = \"alive\"", |_| 1.0);
    check_reward("term = \"upright\"", |s| s.matrix(TRUNK)[2][2]);
    check_reward("term = \"forward_velocity\"", |s| s.velocity(TRUNK)[0]);
    check_reward("term = \"forward_velocity\", limit = 0.1", |s| {
        s.velocity(TRUNK)[0].min(f64::from(0.1_f32))
    });
    let way = |s: &Slow<'_>, body: usize, k: usize| {
        (s.position(body)[k] - s.previous_body_position[3 * body + k]) / 0.02
    };
    check_reward("term = \"mean_velocity\"", move |s| way(s, TRUNK, 0));
    check_reward("term = \"mean_velocity\", body = \"RL_calf\", axis = [0.0, -3.0, 4.0]", move |s| {
        0.8 * way(s, CALVES[3], 2) - 0.6 * way(s, CALVES[3], 1)
    });
    check_reward("term = \"track_linear_velocity\", command = \"go\", sigma = 0.5", |s| {
        let (v, c) = (s.in_base(s.velocity(TRUNK)), s.command(0));
        (-((v[0] - c[0]).powi(2) + (v[1] - c[1]).powi(2)) / 0.5).exp()
    });
    check_reward("term = \"track_angular_velocity\", command = \"go\"", |s| {
        (-(s.in_base(s.spin(TRUNK))[2] - s.command(0)[2]).powi(2) / 0.25).exp()
    });
    check_reward("term = \"velocity_error\", command = \"go\"", |s| {
        let (v, c) = (s.in_base(s.velocity(TRUNK)), s.command(0));
        (v[0] - c[0]).hypot(v[1] - c[1])
    });
    check_reward("term = \"turning_error\", command = \"go\"", |s| {
        (s.in_base(s.spin(TRUNK))[2] - s.command(0)[2]).abs()
    });
    check_reward("term = \"linear_velocity_z\"", |s| s.velocity(TRUNK)[2].powi(2));
    check_reward("term = \"angular_velocity_xy\"", |s| {
        let w = s.in_base(s.spin(TRUNK));
        w[0] * w[0] + w[1] * w[1]
    });
    check_reward("term = \"orientation\"", |s| {
        let m = s.matrix(TRUNK);
        m[2][0].powi(2) + m[2][1].powi(2)
    });
    check_reward("term = \"base_height\", target = 0.5", |s| (s.position(TRUNK)[2] - 0.5).powi(2));
}

#[test]
fn rewards_of_joints_and_actions() {
    check_reward("term = \"torque\"", |s| sum(12, |j| s.torque(j).powi(2)));
    check_reward("term = \"torque\", actuators = [\"FR_hip\"]", |s| s.torque(1).powi(2));
    check_reward("term = \"joint_velocity\"", |s| sum(12, |j| s.v(j).powi(2)));
    check_reward("term = \"joint_acceleration\"", |s| {
        sum(12, |j| ((s.v(j) - s.previous_qvel[6 + j]) / 0.02).powi(2))
    });
    check_reward("term = \"action\"", |s| sum(12, |j| s.action[j].powi(2)));
    check_reward("term = \"action_rate\"", |s| sum(12, |j| (s.action[j] - s.previous_action[j]).powi(2)));
    check_reward("term = \"energy\"", |s| sum(12, |j| (s.torque(j) * s.v(j)).abs()));
    check_reward("term = \"joint_limits\", inner = 0.3", |s| {
        sum(12, |j| {
            let [low, high] = range(j);
            ((s.q(j) - 0.5 * (low + high)).abs() - 0.15 * (high - low)).max(0.0)
        })
    });
    check_reward("term = \"pose_deviation\", joints = [\"*_hip\", \"*_knee\"]", |s| {
        sum(12, |j| if j % 3 == 0 { 0.0 } else { (s.q(j) - HOME[j]).powi(2) })
    });
    check_reward("term = \"stand_still\", command = \"rest\"", |s| sum(12, |j| (s.q(j) - HOME[j]).abs()));
}

#[test]
fn rewards_of_contact_and_reach() {
    check_reward(
        "term = \"feet_air_time\", bodies = [\"*_calf\"], threshold = 0.05, command = \"go\"",
        |s| sum(4, |leg| if s.landed[leg] > 0.0 { s.landed[leg] - 0.05 } else { 0.0 }),
    );
    check_reward("term = \"feet_slip\", feet = [\"*R\", \"*L\"]", |s| {
        sum(4, |leg| if norm(s.force(CALVES[leg])) > 1.0 { s.foot_speed(leg).powi(2) } else { 0.0 })
    });
    check_reward("term = \"feet_clearance\", feet = [\"*R\", \"*L\"], target = 0.1", |s| {
        sum(4, |leg| (s.foot(leg)[2] - 0.1).powi(2) * s.foot_speed(leg).sqrt())
    });
    check_reward("term = \"contact_cost\", clip = 20.0", |s| {
        sum(14, |b| if b == 0 { 0.0 } else { s.force(b).iter().map(|f| f.clamp(-20.0, 20.0).powi(2)).sum() })
    });
    check_reward("term = \"undesired_contact\", bodies = [\"*_calf\", \"*_thigh\"], force = 10.0", |s| {
        CALVES.iter().chain(&THIGHS).filter(|b| norm(s.force(**b)) > 10.0).count() as f64
    });
    let distance = |s: &Slow<'_>| {
        let (p, c) = (s.foot(1), s.command(2));
        norm([p[0] - c[0], p[1] - c[1], p[2] - c[2]])
    };
    check_reward("term = \"reach_distance\", command = \"point\"", distance);
    check_reward("term = \"reach_fine\", command = \"point\", scale = 0.2", move |s| {
        1.0 - (distance(s) / 0.2).tanh()
    });
    check_reward("term = \"reach_fine\", command = \"point\", scale = 0.2, kernel = \"exp\"", move |s| {
        (-(distance(s) / 0.2).powi(2)).exp()
    });
}

/// How an observation is written, and its slow definition.
type Defined = (&'static str, Box<dyn Fn(&Slow<'_>) -> Vec<f64>>);

fn observations() -> Vec<Defined> {
    vec![
        ("term = \"joint_position\"", Box::new(|s| (0..12).map(|j| s.q(j) - HOME[j]).collect())),
        (
            "term = \"joint_velocity\", scale = 0.05, joints = [\"F*\"]",
            Box::new(|s| (0..6).map(|j| 0.05 * s.v(j)).collect()),
        ),
        (
            "term = \"qpos\"",
            Box::new(|s| (0..19).map(|row| f64::from(s.env.state().qpos.get(row, s.i))).collect()),
        ),
        (
            "term = \"qpos\", skip = 2, quaternions = \"wxyz\", joints = [\"root\", \"*_knee\"]",
            Box::new(|s| {
                let [x, y, z, w] =
                    [0, 1, 2, 3].map(|k| f64::from(s.env.state().body_rotation.get(4 * TRUNK + k, s.i)));
                // A rotation has two quaternions; qpos keeps the one that it came to.
                let held = f64::from(s.env.state().qpos.get(6, s.i));
                let [x, y, z, w] = [x, y, z, w].map(|part| part * (held * w).signum());
                let knees = [2, 5, 8, 11].map(|j| s.q(j));
                [s.position(TRUNK)[2], w, x, y, z].into_iter().chain(knees).collect()
            }),
        ),
        (
            "term = \"qvel\", skip = 1",
            Box::new(|s| {
                let (v, w) = (s.velocity(TRUNK), s.in_base(s.spin(TRUNK)));
                [v[1], v[2], w[0], w[1], w[2]].into_iter().chain((0..12).map(|j| s.v(j))).collect()
            }),
        ),
        ("term = \"base_position\"", Box::new(|s| s.position(TRUNK).to_vec())),
        ("term = \"base_height\", clip = 0.2", Box::new(|s| vec![s.position(TRUNK)[2].min(0.2)])),
        ("term = \"base_linear_velocity\"", Box::new(|s| s.in_base(s.velocity(TRUNK)).to_vec())),
        ("term = \"base_angular_velocity\"", Box::new(|s| s.in_base(s.spin(TRUNK)).to_vec())),
        ("term = \"projected_gravity\"", Box::new(|s| s.matrix(TRUNK)[2].map(|x| -x).to_vec())),
        ("term = \"last_action\"", Box::new(|s| s.action.clone())),
        (
            "term = \"action_target\"",
            Box::new(|s| {
                (0..12)
                    .map(|j| (HOME[j] + 0.7 * s.action[j]).clamp(range(j)[0], range(j)[1]) - HOME[j])
                    .collect()
            }),
        ),
        ("term = \"command\", command = \"go\"", Box::new(|s| s.command(0).to_vec())),
        ("term = \"frame_position\"", Box::new(|s| s.foot(1).to_vec())),
        (
            "term = \"frame_position\", frame = \"RL\", relative_to = \"base\"",
            Box::new(|s| {
                let (p, b) = (s.foot(3), s.position(TRUNK));
                s.in_base([p[0] - b[0], p[1] - b[1], p[2] - b[2]]).to_vec()
            }),
        ),
        (
            "term = \"vector_to_target\", command = \"point\"",
            Box::new(|s| {
                let (p, c) = (s.foot(1), s.command(2));
                vec![c[0] - p[0], c[1] - p[1], c[2] - p[2]]
            }),
        ),
        ("term = \"contact_force\", bodies = [\"RR_calf\"]", Box::new(|s| s.force(CALVES[2]).to_vec())),
        (
            "term = \"contact\", bodies = [\"*_calf\"]",
            Box::new(|s| CALVES.iter().map(|b| if norm(s.force(*b)) > 1.0 { 1.0 } else { 0.0 }).collect()),
        ),
        ("term = \"actuator_force\"", Box::new(|s| (0..12).map(|j| s.torque(j)).collect())),
        ("term = \"time_left\"", Box::new(|s| vec![1.0 - s.step as f64 / 500.0])),
        ("term = \"sensor\", sensor = \"FR_foot_position\"", Box::new(|s| s.foot(0).to_vec())),
    ]
}

#[test]
fn observations_are_what_they_say_in_the_order_of_the_file() {
    let terms = observations();
    let lines: String =
        terms.iter().enumerate().map(|(k, (line, _))| format!("t{k:02} = {{ {line} }}\n")).collect();
    walk_through(&format!("[observe.policy]\n{lines}"), |slow| {
        let group = &slow.env.spec().observations[0];
        let mut found = slow.env.output().observations[0].column(slow.i);
        for ((line, define), (name, size)) in terms.iter().zip(&group.terms) {
            let expected = define(slow);
            assert_eq!(expected.len(), *size, "{line}");
            for (k, expected) in expected.into_iter().enumerate() {
                let found = f64::from(found.next().expect("as long as the spec says"));
                assert!(
                    (found - expected).abs() <= TOLERANCE * (1.0 + expected.abs()),
                    "{name} {line} [{k}]: {found}, by definition {expected}"
                );
            }
        }
        assert_eq!(found.count(), 0);
    });
}

#[test]
fn observation_noise_has_the_width_that_is_asked_for() {
    let tail = "[observe.policy]\nh = { term = \"base_height\", noise = 0.5, scale = 2.0 }\n[observe.critic]\nh = { term = \"base_height\" }\n";
    let mut errors = Vec::new();
    walk_through(tail, |slow| {
        let at = |group: usize| f64::from(slow.env.output().observations[group].get(0, slow.i));
        errors.push(at(0) / 2.0 - at(1));
    });
    assert!(errors.iter().all(|e| e.abs() <= 0.5001), "{errors:?}");
    // 75 draws of U(-0.5, 0.5): mean square 1/12, standard deviation of the mean 0.0086; 4 of them.
    let square = errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64;
    assert!((square - 1.0 / 12.0).abs() < 0.035, "{square}");
}
