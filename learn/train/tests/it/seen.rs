//! Images as tensors teach what images among the numbers teach, bit for bit where both are computed alike.

use crate::toy::{Dynamics, PointMass, SeenPoint, Toy};
use burn::tensor::{Tensor, TensorData};
use keiko_env::{EnvSpec, Field, GroupSpec, SnapshotError, StepOutput, VecEnv};
use keiko_model::TrainSpec;
use keiko_model::train_spec::{Convolution, Dialect};
use keiko_train::{Device, DeviceImages, TrainError, Trainer, evaluate, evaluate_seeing};
use std::sync::{Arc, Mutex};

/// The point whose critic sees too, also at time-outs.
struct BothSee;

impl Dynamics for BothSee {
    const NAME: &'static str = "both-see";
    const MAX_STEPS: u32 = 7;

    fn groups() -> Vec<GroupSpec> {
        SeenPoint::groups().into_iter().take(1).collect()
    }

    fn initial(uniform: &mut dyn FnMut() -> f64) -> [f64; 4] {
        PointMass::initial(uniform)
    }

    fn step(state: &mut [f64; 4], action: f64) -> (f64, bool) {
        let (reward, _) = PointMass::step(state, action);
        (reward, state[0].abs() > 0.9)
    }

    fn observe(state: &[f64; 4], group: usize) -> Vec<f64> {
        SeenPoint::observe(state, group)
    }
}

/// The images of the one group, `[pixels, num_envs]`: now, and before autoreset.
type Shared = Arc<Mutex<Option<[Field; 2]>>>;

/// An environment that keeps its images out of its output.
struct Apart {
    env: Toy<BothSee>,
    output: StepOutput,
    images: Shared,
}

/// Shows them as tensors.
struct Shown(Shared);

/// Rows `[envs.len(), pixels]`.
fn tensor(field: &Field, envs: &[usize]) -> Tensor<2> {
    let data: Vec<f32> = envs.iter().flat_map(|env| field.column(*env)).collect();
    Tensor::from_data(TensorData::new(data, [envs.len(), field.num_rows()]), Device::cpu().tensors())
}

impl DeviceImages for Shown {
    fn now(&self, _: usize) -> Option<Tensor<2>> {
        let shared = self.0.lock().unwrap();
        let [now, _] = shared.as_ref()?;
        Some(tensor(now, &(0..now.num_envs()).collect::<Vec<_>>()))
    }

    fn last(&self, _: usize, envs: &[usize]) -> Option<Tensor<2>> {
        Some(tensor(&self.0.lock().unwrap().as_ref()?[1], envs))
    }
}

impl Apart {
    fn new(num_envs: usize) -> (Self, Shown) {
        let images = Shared::default();
        let env = Toy::new(num_envs, 3);
        let mut apart = Self { env, output: StepOutput::default(), images: images.clone() };
        apart.part();
        (apart, Shown(images))
    }

    fn part(&mut self) {
        self.output = self.env.output().clone();
        let part = |fields: &mut Vec<Field>| {
            let n = fields[0].num_envs();
            let (numbers, images) = fields[0].as_slice().split_at(n);
            let field = |values: &[f32]| {
                let mut field = Field::zeros(values.len() / n, n);
                field.as_mut_slice().copy_from_slice(values);
                field
            };
            let images = field(images);
            fields[0] = field(numbers);
            images
        };
        let images = [part(&mut self.output.observations), part(&mut self.output.final_observations)];
        *self.images.lock().unwrap() = Some(images);
    }
}

impl VecEnv for Apart {
    fn spec(&self) -> &EnvSpec {
        self.env.spec()
    }

    fn reset(&mut self, mask: Option<&[bool]>) {
        self.env.reset(mask);
        self.part();
    }

    fn step(&mut self, actions: &Field) {
        self.env.step(actions);
        self.part();
    }

    fn output(&self) -> &StepOutput {
        &self.output
    }

    fn save(&self) -> Result<Vec<u8>, SnapshotError> {
        self.env.save()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.env.load(bytes)?;
        self.part();
        Ok(())
    }
}

fn spec(dialect: Dialect) -> TrainSpec {
    TrainSpec {
        dialect,
        horizon: 10,
        epochs: 2,
        minibatches: 2,
        actor_hidden: vec![8],
        critic_hidden: vec![8],
        convolutions: vec![Convolution { channels: 3, kernel: 3, stride: 2 }],
        ..TrainSpec::default()
    }
}

#[test]
fn images_as_tensors_teach_what_images_among_numbers_teach() {
    for dialect in [Dialect::RslRl, Dialect::Brax] {
        let (apart, shown) = Apart::new(6);
        let device = Device::cpu();
        let mut tensors =
            Trainer::seeing(Box::new(apart), Some(Box::new(shown)), spec(dialect), 7, device).expect("valid");
        let mut numbers =
            Trainer::new(Toy::<BothSee>::boxed(6, 3), spec(dialect), 7, Device::cpu()).expect("valid");
        let mut ends = 0;
        for _ in 0..3 {
            let (mut a, mut b) = (tensors.iterate().expect("finite"), numbers.iterate().expect("finite"));
            for report in [&mut a, &mut b] {
                (report.collection_secs, report.learning_secs, report.steps_per_sec) = (0.0, 0.0, 0.0);
            }
            assert_eq!(a, b, "{dialect:?}");
            ends += a.terminations.iter().filter(|(name, share)| name == "time_out" && *share > 0.0).count();
        }
        assert!(ends > 0, "no time-out, no last sight");
        assert_eq!(tensors.state().expect("serialises"), numbers.state().expect("serialises"), "{dialect:?}");

        let policy = tensors.policy().expect("fits");
        let (mut apart, shown) = Apart::new(4);
        let seen = evaluate_seeing(&policy, &mut apart, &shown, &Device::cpu(), 9).expect("it ends");
        let told = evaluate(&policy, &mut Toy::<BothSee>::new(4, 3), 9).expect("it ends");
        // burn adds up in another order than plain Rust.
        assert!((seen.mean_return - told.mean_return).abs() < 1e-4, "{seen:?} {told:?}");
        assert_eq!((seen.episodes, seen.mean_length), (told.episodes, told.mean_length));
    }
}

#[test]
fn without_images_there_is_nothing_to_learn_from() {
    let (apart, shown) = Apart::new(2);
    let blind = Shown(Shared::default());
    let trainer =
        Trainer::seeing(Box::new(apart), Some(Box::new(blind)), spec(Dialect::RslRl), 1, Device::cpu());
    let refused = trainer.expect("valid").iterate().expect_err("nothing to see");
    assert!(matches!(&refused, TrainError::Device(text) if text.contains("no images")), "{refused}");
    assert!(shown.now(0).is_some());
}
