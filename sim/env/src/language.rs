//! Instructions: which sentence an episode is given, and where the thing stands that it names.

use std::ops::Range;

use glam::DVec3;
use keiko_model::Result;
use keiko_model::error::ErrorKind;
use keiko_model::kinematics::forward_kinematics;

use crate::bind::Binder;
use crate::draw::{Draw, MAX_STREAMS, Purpose, Who};

/// The instructions of a task with their names resolved.
pub(crate) struct BoundLanguage {
    /// Row of the state that holds the number of the episode's instruction.
    pub row: usize,
    objects: Vec<Object>,
}

/// A thing that can be asked for.
struct Object {
    /// Numbers of the instructions that name it.
    instructions: Range<u32>,
    place: Place,
}

enum Place {
    /// Its first row in qpos.
    Moves(usize),
    /// Where it always is.
    Stays(DVec3),
}

impl BoundLanguage {
    pub fn bind(binder: &Binder<'_>) -> Result<Option<Self>> {
        let Some(language) = &binder.spec.language else { return Ok(None) };
        if let Some((key, what)) = language.fault() {
            return Err(binder
                .error(ErrorKind::Value, &format!("language.{key}"), &what)
                .allowed("allowed: sentences with `{}` once, and names that tell things apart"));
        }
        let model = &binder.scene.model;
        let poses = forward_kinematics(model, &binder.scene.default_qpos);
        let of_each = language.templates.len() as u32;
        let mut next = 0;
        let objects = language
            .objects
            .iter()
            .enumerate()
            .map(|(at, object)| {
                let body = binder.prop(&object.prop, &format!("language.objects.{at}.prop"))?;
                let joint = model.bodies[body].joints.clone().next();
                let place = match joint {
                    Some(joint) => Place::Moves(model.joints[joint].qpos_index),
                    None => Place::Stays(poses[body].position),
                };
                let count = of_each * object.names.len() as u32;
                next += count;
                Ok(Object { instructions: next - count..next, place })
            })
            .collect::<Result<_>>()?;
        Ok(Some(Self { row: binder.take_state(1), objects }))
    }

    /// The instruction of an episode: each thing is as likely as the others, then each sentence about it.
    pub fn draw(&self, who: Who) -> u32 {
        let mut draw: Draw = who.draw(Purpose::Command, MAX_STREAMS - 1, 0);
        let object = &self.objects[draw.whole([0, self.objects.len() as u32 - 1]) as usize];
        draw.whole([object.instructions.start, object.instructions.end - 1])
    }

    /// Where the thing that an instruction names stands.
    pub fn place(&self, instruction: u32, qpos: &[f64]) -> DVec3 {
        let named = self.objects.iter().find(|object| object.instructions.contains(&instruction));
        match named.map(|object| &object.place) {
            Some(Place::Moves(q)) => DVec3::from_slice(&qpos[*q..*q + 3]),
            Some(Place::Stays(point)) => *point,
            None => DVec3::ZERO,
        }
    }
}
