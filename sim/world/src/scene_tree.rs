//! The named entities of a world, each below what carries it.

use bevy_ecs::prelude::*;
use bevy_ecs::world::EntityRef;

use crate::components::{ActuatorRef, CameraRef, GeomRef, JointRef, Link, Robot, SensorRef, SiteRef};
use crate::thing::Thing;

/// An entity with a name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Node<'a> {
    /// It.
    pub entity: Entity,
    /// Its name.
    pub name: &'a str,
    /// Which part of the model it is; none of the model itself, and of what others have put into the world.
    pub thing: Option<Thing>,
    /// Whether it is the model itself.
    pub is_robot: bool,
}

impl Node<'_> {
    /// What kind of thing it is.
    pub fn kind(&self) -> &'static str {
        self.thing.map_or("entity", Thing::kind)
    }
}

/// All of them: parts of the model by kind and number, then the others.
pub fn all(world: &World) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = world.iter_entities().filter_map(|entity| node(&entity)).collect();
    nodes.sort_by_key(|node| (node.thing.is_none(), node.thing, node.entity));
    nodes
}

/// Those that nothing carries.
pub fn roots(world: &World) -> Vec<Node<'_>> {
    let is_root = |node: &Node<'_>| !world.entity(node.entity).contains::<ChildOf>();
    all(world).into_iter().filter(is_root).collect()
}

/// Those that an entity carries: bodies last.
pub fn children<'a>(world: &'a World, of: &Node<'_>) -> Vec<Node<'a>> {
    let carried = world.entity(of.entity).get::<Children>();
    let carried = carried.into_iter().flat_map(|children| children.iter());
    let mut nodes: Vec<Node<'a>> = carried.filter_map(|child| node(&world.entity(child))).collect();
    nodes.sort_by_key(|node| (matches!(node.thing, Some(Thing::Body(_))), node.thing.is_none()));
    nodes
}

fn node<'a>(entity: &EntityRef<'a>) -> Option<Node<'a>> {
    let name = entity.get::<Name>()?.as_str();
    Some(Node { entity: entity.id(), name, thing: thing(entity), is_robot: entity.contains::<Robot>() })
}

fn thing(entity: &EntityRef<'_>) -> Option<Thing> {
    let body = entity.get::<Link>().map(|link| Thing::Body(link.body));
    body.or_else(|| entity.get::<JointRef>().map(|part| Thing::Joint(part.joint)))
        .or_else(|| entity.get::<GeomRef>().map(|part| Thing::Geom(part.geom)))
        .or_else(|| entity.get::<SiteRef>().map(|part| Thing::Site(part.site)))
        .or_else(|| entity.get::<CameraRef>().map(|part| Thing::Camera(part.camera)))
        .or_else(|| entity.get::<ActuatorRef>().map(|part| Thing::Actuator(part.actuator)))
        .or_else(|| entity.get::<SensorRef>().map(|part| Thing::Sensor(part.sensor)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use keiko_model::import::{ImportOptions, load};

    use super::*;
    use crate::simulation::spawn_model;

    /// Everything below some nodes, each with how deep it is.
    fn below(world: &World, nodes: Vec<Node<'_>>, depth: usize) -> Vec<(usize, String, Option<Thing>)> {
        let of = |node: Node<'_>| {
            let mine = (depth, node.name.to_owned(), node.thing);
            [vec![mine], below(world, children(world, &node), depth + 1)].concat()
        };
        nodes.into_iter().flat_map(of).collect()
    }

    #[test]
    fn every_part_of_a_model_is_there_once_and_so_is_what_others_add() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/robots/quadruped/quadruped.xml");
        let model = load(&file, &ImportOptions::default()).expect("it is ours").model;
        let mut world = World::new();
        spawn_model(&mut world, &model);
        let things = |rows: &[(usize, String, Option<Thing>)]| {
            let mut things: Vec<Thing> = rows.iter().filter_map(|(.., thing)| *thing).collect();
            things.sort();
            things
        };
        let mut expected = Thing::all(&model);
        expected.sort();
        let rows = below(&world, roots(&world), 0);
        assert_eq!(things(&rows), expected);
        for (_, name, thing) in rows.iter().filter(|(.., thing)| thing.is_some()) {
            assert_eq!(name, thing.expect("filtered").name(&model));
        }
        // A body is one deeper than the body that carries it.
        let depth =
            |body: usize| rows.iter().find(|(.., thing)| *thing == Some(Thing::Body(body))).expect("there").0;
        assert!((1..model.bodies.len()).all(|body| depth(body) == depth(model.bodies[body].parent) + 1));

        let carrier = all(&world).into_iter().find(|node| node.name == "trunk").expect("there").entity;
        world.spawn((Name::new("payload"), ChildOf(carrier)));
        world.spawn(Name::new("scoreboard"));
        world.spawn_empty();
        let rows = below(&world, roots(&world), 0);
        assert_eq!(things(&rows), expected);
        let found = |name: &str| {
            rows.iter().filter(|(_, known, _)| known == name).map(|row| row.0).collect::<Vec<_>>()
        };
        assert_eq!((found("payload"), found("scoreboard")), (vec![depth(1) + 1], vec![0]));
    }
}
