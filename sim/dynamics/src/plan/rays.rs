//! Tables of rays: what each sensor that sees by rays may meet.

use glam::{DMat3, DVec3};
use keiko_model::hull::convex_hull;
use keiko_model::robot::{FrameRef, Geom, RobotModel, Sensor, SensorKind, Shape};

use super::BuildError;
use super::contacts::{class, is_terrain, shape_numbers};
use super::links::Links;
use super::table::{Table, Tables};
use super::tree::rows;
use crate::collide::hull_table::{HullTable, MAX_VERTICES};
use crate::collide::{Class, height_field};

/// Fields of a shape that rays may meet.
pub mod target {
    /// Integer: link that carries it.
    pub const LINK: usize = 0;
    /// Integer: its tree.
    pub const TREE: usize = 1;
    /// Integer: its [`Class`](crate::collide::Class), in the order of their declaration.
    pub const CLASS: usize = 2;
    /// Integer: where the heights of a field or the centre of a hull are in [`Plan::reals`](super::super::Plan::reals).
    pub const DATA: usize = 3;
    /// Integer: where the faces of a hull are there.
    pub const FACES: usize = 4;
    /// Integer: how many faces; rows and columns of a field together.
    pub const COUNT: usize = 5;
    /// Integer: 1 for a height field that is fixed to the world.
    pub const TERRAIN: usize = 6;
    /// Number: `link_from_geom` position, 3.
    pub const POSITION: usize = 0;
    /// Number: `link_from_geom` rotation, 9.
    pub const ROTATION: usize = 3;
    /// Number: sizes, 3.
    pub const SIZE: usize = 12;
}

/// Fields of the rays of a sensor.
pub mod scanner {
    /// Integer: list of what it may meet, and of the cells of a field that a ray may cross: pairs.
    pub const LIST: usize = 0;
    /// Integer: length of that list in pairs.
    pub const LIST_LEN: usize = 1;
    /// Integer: rays along x.
    pub const COLUMNS: usize = 2;
    /// Integer: rays along y.
    pub const ROWS: usize = 3;
    /// Number: distance of neighbours along x and y, 2.
    pub const SPACING: usize = 0;
    /// Number: place of the first ray, 2.
    pub const FIRST: usize = 2;
    /// Number: how far above the frame's origin the rays start.
    pub const ABOVE: usize = 4;
    /// Number: how far they see.
    pub const REACH: usize = 5;
    /// Number: what is read beyond.
    pub const MISS: usize = 6;
    /// Number: 1 for a grid of rays straight down, 0 for one along the sensor's axis.
    pub const DOWN: usize = 7;
}

/// What rays may meet, and the rays of each sensor that has any.
#[derive(Clone, Copy, Debug, Default)]
pub struct RayTables {
    /// Shapes.
    pub targets: Table,
    /// Sensors with rays, in model order.
    pub scanners: Table,
}

type Scanner = ([usize; 4], [f64; 8]);

/// Lays out the rays. `data_of` says where the numbers of hulls and fields are that contacts have put down already.
pub(super) fn add(
    tables: &mut Tables,
    model: &RobotModel,
    links: &Links,
    data_of: &dyn Fn(usize) -> Option<usize>,
) -> Result<RayTables, BuildError> {
    let mut scanners: Vec<(Scanner, Vec<usize>, bool)> = Vec::new();
    // What spans no volume is no obstacle.
    let solid: Vec<bool> = model.meshes.iter().map(|mesh| sees(model) && convex_hull(mesh).is_ok()).collect();
    let visible = |seen: &dyn Fn(&Geom) -> bool| {
        let solid = |geom: &Geom| !matches!(geom.shape, Shape::Mesh { mesh } if !solid[mesh]);
        let geoms = model.geoms.iter().enumerate().filter(|(_, geom)| seen(geom) && solid(geom));
        geoms.map(|(index, _)| index).collect::<Vec<_>>()
    };
    for sensor in &model.sensors {
        match &sensor.kind {
            SensorKind::RayDistance { frame, reach, .. } => {
                let body = match *frame {
                    FrameRef::Body(b) | FrameRef::BodyCom(b) => b,
                    FrameRef::Geom(g) => model.geoms[g].body,
                    FrameRef::Site(s) => model.sites[s].body,
                };
                let seen = |geom: &Geom| geom.body != body && geom.rgba[3] > 0.0;
                let (reach, miss) = reach.map_or((0.1 * crate::collide::FAR, -1.0), |reach| (reach, reach));
                let scanner = ([0, 0, 1, 1], [0.0, 0.0, 0.0, 0.0, 0.0, reach, miss, 0.0]);
                scanners.push((scanner, visible(&seen), false));
            }
            SensorKind::HeightScan(scan) => {
                let tree = |body: usize| links.links[links.of_body[body]].tree;
                let own = tree(scan.body);
                let seen = |geom: &Geom| geom.collides() && (own == 0 || tree(geom.body) != own);
                let first: [f64; 2] = std::array::from_fn(|k| {
                    scan.offset[k] - 0.5 * scan.spacing[k] * (scan.counts[k] as f64 - 1.0)
                });
                let [columns, rows] = scan.counts;
                let [dx, dy] = scan.spacing;
                let scanner = (
                    [0, 0, columns, rows],
                    [dx, dy, first[0], first[1], scan.above, scan.reach, scan.reach, 1.0],
                );
                scanners.push((scanner, visible(&seen), true));
            }
            _ => {}
        }
    }
    let mut used: Vec<usize> = scanners.iter().flat_map(|(_, list, _)| list).copied().collect();
    used.sort_unstable();
    used.dedup();
    let targets: Vec<_> =
        used.iter().map(|&g| add_target(tables, model, links, g, data_of)).collect::<Result<_, _>>()?;
    let mut records = Vec::new();
    for (mut scanner, list, down) in scanners {
        let entries = list.iter().flat_map(|g| {
            let at = used.binary_search(g).unwrap_or(0);
            // Straight down on a field that lies level there is one cell.
            let level = DMat3::from_cols_array(&std::array::from_fn(|k| targets[at].1[target::ROTATION + k]));
            let one = down && targets[at].0[target::LINK] == 0 && level.z_axis.z > 1.0 - 1e-12;
            [at, if one { 1 } else { targets[at].0[target::COUNT] }]
        });
        scanner.0[scanner::LIST_LEN] = list.len();
        scanner.0[scanner::LIST] = tables.add_list(entries.collect::<Vec<_>>());
        records.push(scanner);
    }
    Ok(RayTables { targets: tables.add(&targets), scanners: tables.add(&records) })
}

/// Whether any sensor sees by rays.
pub(super) fn sees(model: &RobotModel) -> bool {
    let by_rays = |s: &Sensor| matches!(s.kind, SensorKind::RayDistance { .. } | SensorKind::HeightScan(_));
    model.sensors.iter().any(by_rays)
}

fn add_target(
    tables: &mut Tables,
    model: &RobotModel,
    links: &Links,
    index: usize,
    data_of: &dyn Fn(usize) -> Option<usize>,
) -> Result<([usize; 7], [f64; 15]), BuildError> {
    let geom = &model.geoms[index];
    let refused = |feature: String| BuildError { element: format!("geom `{}`", geom.name), feature };
    let (data, faces, count) = match geom.shape {
        Shape::Mesh { mesh } => {
            let hull = HullTable::new(&model.meshes[mesh], MAX_VERTICES)
                .map_err(|error| refused(format!("a mesh without volume in the way of a ray ({error})")))?;
            let start = match data_of(index) {
                Some(vertices) => vertices - HullTable::VERTICES,
                None => append(tables, &hull.reals),
            };
            (start, start + hull.faces(), hull.num_faces)
        }
        Shape::HeightField { height_field } => {
            let field = &model.height_fields[height_field];
            let heights = match data_of(index) {
                Some(heights) => heights,
                None => append(tables, &height_field::table(field).map_err(refused)?) + height_field::HEADER,
            };
            (heights, 0, field.num_rows + field.num_cols)
        }
        _ => (0, 0, 0),
    };
    let pose = links.from_body[geom.body].compose(geom.pose);
    let link = links.of_body[geom.body];
    let mut reals = [0.0; 15];
    reals[..3].copy_from_slice(&DVec3::to_array(&pose.position));
    reals[target::ROTATION..12].copy_from_slice(&rows(DMat3::from_quat(pose.rotation)));
    reals[target::SIZE..].copy_from_slice(&shape_numbers(model, geom));
    let class: Class = class(&geom.shape);
    let terrain = usize::from(is_terrain(links, geom));
    Ok(([link, links.links[link].tree, class as usize, data, faces, count, terrain], reals))
}

fn append(tables: &mut Tables, reals: &[f64]) -> usize {
    let start = tables.reals.len();
    tables.reals.extend(reals);
    start
}
