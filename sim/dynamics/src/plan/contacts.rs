//! Tables of geoms, of pairs that may touch, and of the contacts that they may have.

use glam::DMat3;
use keiko_model::robot::{Geom, RobotModel, Shape};

use super::BuildError;
use super::items::{detection_distance, item, softness_numbers};
use super::links::Links;
use super::options::StepOptions;
use super::pairs::{Pair, pairs};
use super::table::{Places, Table, Tables};
use super::tree::{chain, rows};
use crate::collide::hull_table::{HullTable, MAX_VERTICES};
use crate::collide::support::solid_numbers;
use crate::collide::{Class, height_field};
use crate::step::num_contacts;

/// Fields of a geom.
pub mod geom {
    /// Integer: link that carries it.
    pub const LINK: usize = 0;
    /// Integer: its tree.
    pub const TREE: usize = 1;
    /// Integer: where its own numbers start in [`Plan::reals`](super::super::Plan::reals): vertices of a hull, heights of a field,
    /// the parts of a solid.
    pub const DATA: usize = 2;
    /// Integer: how many vertices, or rows of the field.
    pub const COUNT: usize = 3;
    /// Integer: columns of the field.
    pub const COLUMNS: usize = 4;
    /// Integer: 1 for a height field that is fixed to the world, which the environment's terrain parameter shifts.
    pub const TERRAIN: usize = 5;
    /// Number: `link_from_geom` position, 3.
    pub const POSITION: usize = 0;
    /// Number: `link_from_geom` rotation, 9.
    pub const ROTATION: usize = 3;
    /// Number: sizes, 3.
    pub const SIZE: usize = 12;
    /// Number: radius of a ball about the origin that holds it \[m\].
    pub const RADIUS: usize = 15;
}

/// Fields of a pair.
pub mod pair {
    /// Integer: first geom record.
    pub const A: usize = 0;
    /// Integer: second geom record.
    pub const B: usize = 1;
    /// Integer: tree from whose origin positions are told.
    pub const FRAME: usize = 2;
    /// Integer: first contact.
    pub const ITEM: usize = 3;
    /// Number: distance of the centres beyond which they cannot touch \[m\]; for a plane, height of the centre.
    pub const REACH: usize = 0;
    /// Number: distance at which a contact is there \[m\].
    pub const DETECT: usize = 1;
}

/// A constraint before its places are given.
pub(super) type ItemRecord = ([usize; item::NUM_INTS], [f64; item::NUM_REALS]);

/// Geoms, pairs by class, and contacts.
pub(super) struct Contacts {
    pub geoms: Table,
    pub pairs: Table,
    /// Classes, first pair, one after the last pair.
    pub routines: Vec<(Class, Class, usize, usize)>,
    /// Contacts, then their torsional friction.
    pub items: Vec<ItemRecord>,
    /// How many of them are contacts.
    pub num_contacts: usize,
    /// Where the numbers of each geom in contacts are, by index into the model's geoms.
    pub data_of: Vec<Option<usize>>,
    /// Pair of each contact, for messages and sensors: indices into the model's geoms.
    pub geoms_of: Vec<[usize; 2]>,
    /// Meshes that lost vertices: element, and how many.
    pub notes: Vec<(String, String)>,
}

pub(super) fn add(
    tables: &mut Tables,
    memory: &mut Places,
    state: &mut Places,
    model: &RobotModel,
    links: &Links,
    options: &StepOptions,
) -> Result<Contacts, BuildError> {
    let mut found = pairs(model, links);
    for pair in &mut found {
        if class(&model.geoms[pair.a].shape) > class(&model.geoms[pair.b].shape) {
            std::mem::swap(&mut pair.a, &mut pair.b);
        }
    }
    let classes = |p: &Pair| (class(&model.geoms[p.a].shape), class(&model.geoms[p.b].shape));
    found.sort_by_key(classes);
    let used: Vec<usize> =
        (0..model.geoms.len()).filter(|&g| found.iter().any(|p| p.a == g || p.b == g)).collect();
    let record_of = |g: usize| used.binary_search(&g).unwrap_or(0);
    let mut notes = Vec::new();
    let (geoms, data) = add_geoms(tables, model, links, &used, &mut notes)?;
    let mut data_of = vec![None; model.geoms.len()];
    used.iter().zip(data).for_each(|(&g, data)| data_of[g] = Some(data));

    let (mut records, mut routines, mut items, mut geoms_of) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for found in &found {
        let (a, b) = classes(found);
        let count = num_contacts(a, b).ok_or_else(|| refuse(model, found, a, b))?;
        match routines.last_mut() {
            Some((x, y, _, end)) if (*x, *y) == (a, b) => *end += 1,
            _ => routines.push((a, b, records.len(), records.len() + 1)),
        }
        let (ga, gb) = (&model.geoms[found.a], &model.geoms[found.b]);
        let trees = [ga, gb].map(|g| links.links[links.of_body[g.body]].tree);
        let frame = if trees[0] == 0 { trees[1] } else { trees[0] };
        let detect = detection_distance(found.contact.margin, options);
        let reach = detect
            + if a == Class::Plane {
                bounding_radius(model, gb)
            } else {
                bounding_radius(model, ga) + bounding_radius(model, gb)
            };
        records.push(([record_of(found.a), record_of(found.b), frame, items.len()], [reach, detect]));
        let template = contact_record(tables, model, links, found, options);
        for _ in 0..count {
            let mut record = template;
            let rows = if record.0[item::KIND] == item::CONE { 3 } else { 1 };
            record.0[item::ROWS] = memory.take(rows * record.0[item::SUPPORT_LEN]);
            record.0[item::IMPULSE] = state.take(3);
            items.push(record);
            geoms_of.push([found.a, found.b]);
        }
    }
    let num_contacts = items.len();
    add_torsion(memory, state, &found, &classes, &mut items);
    let pairs = tables.add(&records);
    Ok(Contacts { geoms, pairs, routines, items, num_contacts, geoms_of, data_of, notes })
}

/// One row of torsional friction for each contact of dimension 4 or more.
fn add_torsion(
    memory: &mut Places,
    state: &mut Places,
    found: &[Pair],
    classes: &dyn Fn(&Pair) -> (Class, Class),
    items: &mut Vec<ItemRecord>,
) {
    let mut first = 0;
    for pair in found {
        let (a, b) = classes(pair);
        let end = first + num_contacts(a, b).unwrap_or(0);
        let (sliding, torsional) = (pair.contact.friction.x, pair.contact.friction.y);
        if pair.contact.condim >= 4 && torsional > 0.0 {
            for k in first..end {
                let mut record = items[k];
                record.0[item::KIND] = item::TORSION;
                record.0[item::ROWS] = memory.take(record.0[item::SUPPORT_LEN]);
                record.0[item::IMPULSE] = state.take(1);
                record.0[item::EXTRA] = k;
                record.1[item::FRICTION] = torsional;
                record.1[item::FRICTION_SOFTNESS] *= (sliding / torsional).powi(2);
                items.push(record);
            }
        }
        first = end;
    }
}

fn contact_record(
    tables: &mut Tables,
    model: &RobotModel,
    links: &Links,
    pair: &Pair,
    options: &StepOptions,
) -> ItemRecord {
    let (ga, gb) = (&model.geoms[pair.a], &model.geoms[pair.b]);
    let mut record = between(tables, model, links, ga.body, gb.body);
    let contact = &pair.contact;
    let slides = contact.condim > 1 && contact.friction.x > 0.0;
    record.0[item::KIND] = if slides { item::CONE } else { item::ROW };
    let reals = &mut record.1;
    reals[..7].copy_from_slice(&softness_numbers(&contact.softness, options));
    reals[item::DETECT] = detection_distance(contact.margin, options);
    reals[item::MARGIN] = contact.margin - contact.gap;
    reals[item::FRICTION] = if slides { contact.friction.x } else { 0.0 };
    reals[item::RESTITUTION] = contact.restitution;
    reals[item::FRICTION_SOFTNESS] = 1.0 / model.options.impratio.max(1e-15);
    record
}

/// A constraint between two bodies: the degrees of freedom that it touches.
pub(super) fn between(
    tables: &mut Tables,
    model: &RobotModel,
    links: &Links,
    body_a: usize,
    body_b: usize,
) -> ItemRecord {
    let (la, lb) = (links.of_body[body_a], links.of_body[body_b]);
    let (ca, cb) = (chain(model, links, la), chain(model, links, lb));
    let only = |x: &[usize], y: &[usize]| x.iter().copied().filter(|d| !y.contains(d)).collect::<Vec<_>>();
    let (a, b) = (only(&ca, &cb), only(&cb, &ca));
    let mut support: Vec<usize> = ca.iter().chain(&b).copied().collect();
    support.sort_unstable();
    let mut ints = [0; item::NUM_INTS];
    ints[item::SUPPORT_LEN] = support.len();
    ints[item::SUPPORT] = tables.add_list(support);
    ints[item::A_LEN] = a.len();
    ints[item::A] = tables.add_list(a);
    ints[item::B_LEN] = b.len();
    ints[item::B] = tables.add_list(b);
    ints[item::TREE_A] = links.links[la].tree;
    ints[item::TREE_B] = links.links[lb].tree;
    ints[item::BODY_A] = body_a;
    ints[item::BODY_B] = body_b;
    ints[item::LINK_A] = la;
    ints[item::LINK_B] = lb;
    (ints, [0.0; item::NUM_REALS])
}

fn refuse(model: &RobotModel, pair: &Pair, a: Class, b: Class) -> BuildError {
    let name = |g: usize| &model.geoms[g].name;
    BuildError {
        element: format!("geoms `{}` and `{}`", name(pair.a), name(pair.b)),
        feature: format!("contact between a {} and a {}", a.name(), b.name()),
    }
}

fn add_geoms(
    tables: &mut Tables,
    model: &RobotModel,
    links: &Links,
    used: &[usize],
    notes: &mut Vec<(String, String)>,
) -> Result<(Table, Vec<usize>), BuildError> {
    let (mut records, mut starts) = (Vec::new(), Vec::new());
    for &g in used {
        let geom = &model.geoms[g];
        let pose = links.from_body[geom.body].compose(geom.pose);
        let link = links.of_body[geom.body];
        let (data, count, columns, size) = shape_data(tables, model, geom, notes)?;
        starts.push(data);
        let mut reals = [0.0; 16];
        reals[..3].copy_from_slice(&pose.position.to_array());
        reals[geom::ROTATION..12].copy_from_slice(&rows(DMat3::from_quat(pose.rotation)));
        reals[geom::SIZE..15].copy_from_slice(&size);
        reals[geom::RADIUS] = bounding_radius(model, geom);
        let terrain = usize::from(is_terrain(links, geom));
        records.push(([link, links.links[link].tree, data, count, columns, terrain], reals));
    }
    Ok((tables.add(&records), starts))
}

/// Whether a geom is a height field that is fixed to the world.
pub(super) fn is_terrain(links: &Links, geom: &Geom) -> bool {
    matches!(geom.shape, Shape::HeightField { .. }) && links.of_body[geom.body] == 0
}

/// The three sizes of a shape.
pub(super) fn shape_numbers(model: &RobotModel, geom: &Geom) -> [f64; 3] {
    match geom.shape {
        Shape::Plane { .. } | Shape::Mesh { .. } => [0.0; 3],
        Shape::Sphere { radius } => [radius, 0.0, 0.0],
        Shape::Capsule { radius, half_length } | Shape::Cylinder { radius, half_length } => {
            [radius, half_length, 0.0]
        }
        Shape::Box { half_size } => half_size.to_array(),
        Shape::Ellipsoid { radii } => radii.to_array(),
        Shape::HeightField { height_field } => {
            let field = &model.height_fields[height_field];
            [field.half_size[0], field.half_size[1], field.base]
        }
    }
}

/// Where the shape's own numbers are, how many, columns, and its three sizes.
fn shape_data(
    tables: &mut Tables,
    model: &RobotModel,
    geom: &Geom,
    notes: &mut Vec<(String, String)>,
) -> Result<(usize, usize, usize, [f64; 3]), BuildError> {
    let size = shape_numbers(model, geom);
    let refused = |feature: String| BuildError { element: format!("geom `{}`", geom.name), feature };
    let start = tables.reals.len();
    Ok(match geom.shape {
        Shape::Mesh { mesh } => {
            let hull = HullTable::new(&model.meshes[mesh], MAX_VERTICES)
                .map_err(|error| refused(format!("a collision mesh without volume ({error})")))?;
            tables.reals.extend(&hull.reals);
            if hull.num_vertices < hull.full_num_vertices {
                let HullTable { num_vertices, full_num_vertices, error, .. } = hull;
                let text = format!(
                    "its convex hull keeps {num_vertices} of {full_num_vertices} vertices and lies up to {:.2} mm inside",
                    1e3 * error
                );
                notes.push((format!("geom `{}`", geom.name), text));
            }
            (start + HullTable::VERTICES, hull.num_vertices, 0, size)
        }
        Shape::HeightField { height_field } => {
            let field = &model.height_fields[height_field];
            let heights = height_field::table(field).map_err(refused)?;
            tables.reals.extend(heights);
            (start + height_field::HEADER, field.num_rows, field.num_cols, size)
        }
        _ => {
            tables.reals.extend(solid_numbers(class(&geom.shape), size).into_iter().flatten());
            (start, 0, 0, size)
        }
    })
}

/// The class of a shape.
pub(super) fn class(shape: &Shape) -> Class {
    match shape {
        Shape::Plane { .. } => Class::Plane,
        Shape::Sphere { .. } => Class::Sphere,
        Shape::Capsule { .. } => Class::Capsule,
        Shape::Cylinder { .. } => Class::Cylinder,
        Shape::Ellipsoid { .. } => Class::Ellipsoid,
        Shape::Box { .. } => Class::Box,
        Shape::Mesh { .. } => Class::Hull,
        Shape::HeightField { .. } => Class::HeightField,
    }
}

fn bounding_radius(model: &RobotModel, geom: &Geom) -> f64 {
    match geom.shape {
        Shape::Plane { .. } => 0.0,
        Shape::Sphere { radius } => radius,
        Shape::Capsule { radius, half_length } => radius + half_length,
        Shape::Cylinder { radius, half_length } => radius.hypot(half_length),
        Shape::Box { half_size } => half_size.length(),
        Shape::Ellipsoid { radii } => radii.max_element(),
        Shape::Mesh { mesh } => model.meshes[mesh]
            .vertices
            .iter()
            .map(|v| v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt())
            .fold(0.0, f64::max),
        // A field is never far: its routine looks only at the cells below.
        Shape::HeightField { .. } => 1e6,
    }
}
