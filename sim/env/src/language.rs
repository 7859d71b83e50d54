//! Instructions: which sentence an episode is given, and where the thing and the target stand that it names.

use glam::DVec3;
use keiko_dynamics::lane::Num;
use keiko_dynamics::machine::Machine;
use keiko_dynamics::space::V3;
use keiko_model::Result;
use keiko_model::error::ErrorKind;
use keiko_model::kinematics::forward_kinematics;

use crate::bind::{Binder, Body};
use crate::draw::{Draw, MAX_STREAMS, Purpose, Who};

/// The instructions of a task with their names resolved.
#[derive(Clone, Debug)]
pub(crate) struct BoundLanguage {
    /// Row of the state that holds the number of the episode's instruction.
    pub row: usize,
    /// Row of the state that holds the number of the thing that is meant, among [`BoundLanguage::objects`].
    object: usize,
    /// Row of the state that holds the number of the target that is meant, among [`BoundLanguage::targets`].
    target: usize,
    /// What can be meant: bodies.
    objects: Vec<Place>,
    targets: Vec<Place>,
    /// What each instruction is about: thing by thing, target by target.
    subjects: Vec<Subject>,
    /// How many targets an object can be asked to be brought to, at least 1.
    choices: usize,
}

/// A thing and a target, and the instructions about them.
#[derive(Clone, Debug)]
struct Subject {
    /// First and last number of the instructions.
    instructions: [u32; 2],
    /// Among the things.
    object: usize,
    /// Among the targets, if there are any.
    target: Option<usize>,
}

/// A prop that can be named.
#[derive(Clone, Debug)]
struct Place {
    body: usize,
    rows: Body,
    /// Its first row in qpos, if it moves.
    qpos: Option<usize>,
    /// Where it stands if it does not.
    at: DVec3,
}

/// What is drawn for an episode: places at its start \[m\].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Named {
    /// Middle of the thing.
    pub object: DVec3,
    /// The target; zero without any.
    pub target: DVec3,
}

/// Which of a few bodies an environment means: a row that holds a number, and the rows of each.
#[derive(Clone, Debug)]
pub(crate) struct Meant {
    number: usize,
    bodies: Vec<Body>,
}

impl BoundLanguage {
    pub fn bind(binder: &Binder<'_>) -> Result<Option<Self>> {
        let Some(language) = &binder.spec.language else { return Ok(None) };
        if let Some((key, what)) = language.fault() {
            return Err(binder
                .error(ErrorKind::Value, &format!("language.{key}"), &what)
                .allowed("allowed: sentences with `{}` for the thing, with targets a second one, and names that tell things apart"));
        }
        let model = &binder.scene.model;
        let poses = forward_kinematics(model, &binder.scene.default_qpos);
        let place = |name: &str, path: &str| -> Result<Place> {
            let body = binder.prop(name, path)?;
            let joint = model.bodies[body].joints.clone().next();
            let qpos = joint.map(|joint| model.joints[joint].qpos_index);
            Ok(Place { body, rows: binder.body_rows(body), qpos, at: poses[body].position })
        };
        let (mut objects, mut targets): (Vec<Place>, Vec<Place>) = Default::default();
        let (mut subjects, mut next) = (Vec::new(), 0);
        for (object, named) in language.objects.iter().enumerate() {
            objects.push(place(&named.prop, &format!("language.objects.{object}.prop"))?);
            let choices: Vec<Option<usize>> = match language.targets.len() {
                0 => vec![None],
                count => (0..count).map(Some).collect(),
            };
            for choice in choices {
                let mut target = None;
                if let Some(at) = choice {
                    let path = match language.targets[at].prop {
                        Some(_) => format!("language.targets.{at}.prop"),
                        None => format!("language.targets.{at}.of.{}", named.prop),
                    };
                    let meant = place(language.targets[at].prop_of(named).unwrap_or_default(), &path)?;
                    let known = targets.iter().position(|known| known.body == meant.body);
                    target = Some(known.unwrap_or(targets.len()));
                    if known.is_none() {
                        targets.push(meant);
                    }
                }
                let count = language.num_sentences(object, choice) as u32;
                subjects.push(Subject { instructions: [next, next + count - 1], object, target });
                next += count;
            }
        }
        let row = binder.take_state(3);
        let choices = language.targets.len().max(1);
        Ok(Some(Self { row, object: row + 1, target: row + 2, objects, targets, subjects, choices }))
    }

    /// The instruction of an episode: each thing is as likely as the others, then each target, then each sentence about
    /// them.
    pub fn draw(&self, who: Who) -> u32 {
        let mut draw: Draw = who.draw(Purpose::Command, MAX_STREAMS - 1, 0);
        let object = draw.whole([0, self.objects.len() as u32 - 1]) as usize;
        let choice = match self.choices {
            1 => 0,
            choices => draw.whole([0, choices as u32 - 1]) as usize,
        };
        draw.whole(self.subjects[object * self.choices + choice].instructions)
    }

    /// Numbers of the instruction, of the thing and of the target: what the state's rows from [`BoundLanguage::row`] on hold.
    pub fn numbers(&self, instruction: u32) -> [f64; 3] {
        let subject = self.subject(instruction);
        let [object, target] = [subject.map(|subject| subject.object), subject.and_then(|s| s.target)];
        [f64::from(instruction), object.unwrap_or(0) as f64, target.unwrap_or(0) as f64]
    }

    /// Where the thing and the target stand that an instruction names.
    pub fn places(&self, instruction: u32, qpos: &[f64]) -> Named {
        let at = |place: &Place| place.qpos.map_or(place.at, |q| DVec3::from_slice(&qpos[q..q + 3]));
        let Some(subject) = self.subject(instruction) else { return Named::default() };
        Named {
            object: at(&self.objects[subject.object]),
            target: subject.target.map_or(DVec3::ZERO, |target| at(&self.targets[target])),
        }
    }

    /// Bodies of the thing and of the target that an instruction names.
    pub fn bodies(&self, instruction: u32) -> Option<(usize, Option<usize>)> {
        let subject = self.subject(instruction)?;
        Some((self.objects[subject.object].body, subject.target.map(|target| self.targets[target].body)))
    }

    fn subject(&self, instruction: u32) -> Option<&Subject> {
        self.subjects.iter().find(|subject| {
            let [first, last] = subject.instructions;
            (first..=last).contains(&instruction)
        })
    }

    /// The thing that is meant, for terms.
    pub fn meant_object(&self) -> Meant {
        let bodies = self.objects.iter().map(|place| place.rows).collect();
        Meant { number: self.object, bodies }
    }

    /// The target that is meant, for terms; `None` without any.
    pub fn meant_target(&self) -> Option<Meant> {
        let bodies: Vec<Body> = self.targets.iter().map(|place| place.rows).collect();
        (!bodies.is_empty()).then_some(Meant { number: self.target, bodies })
    }
}

impl Meant {
    /// Its origin in the world \[m\].
    #[inline(always)]
    pub fn position<M: Machine>(&self, m: &M) -> V3<M::Num> {
        self.pick(m, true)
    }

    /// Velocity of its origin in the world \[m/s\].
    #[inline(always)]
    pub fn velocity<M: Machine>(&self, m: &M) -> V3<M::Num> {
        self.pick(m, false)
    }

    #[inline(always)]
    fn pick<M: Machine>(&self, m: &M, position: bool) -> V3<M::Num> {
        let number = m.get(self.number);
        let mut out = V3::new(m.num(0.0), m.num(0.0), m.num(0.0));
        for (at, body) in self.bodies.iter().enumerate() {
            let is_meant = m.num(at as f64 - 0.5).lt(number) & number.lt(m.num(at as f64 + 0.5));
            let value = m.get3(if position { body.position } else { body.linear });
            out = V3::select(is_meant, value, out);
        }
        out
    }
}
