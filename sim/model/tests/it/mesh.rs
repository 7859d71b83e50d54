//! Mass properties against closed forms and MuJoCo; loading of well-formed files.

use std::f64::consts::PI;
use std::fmt::Write as _;

use glam::{DMat3, DQuat, DVec3};
use keiko_model::error::Location;
use keiko_model::hull::convex_hull;
use keiko_model::mesh::{
    MeshInertia, MeshLimits, check_solid, load_mesh, mass_properties, mass_properties_as, mesh_from_arrays,
    principal_axes,
};
use keiko_model::robot::Mesh;
use keiko_testkit::{self as testkit, assert_all_close, assert_close, assert_close_relative};
use serde_json::{Value, json};

use crate::support::{Random, folder};

/// Vertices are stored in single precision.
const F32: f64 = 1e-6;

type Arrays = (Vec<[f64; 3]>, Vec<[u32; 3]>);

fn mesh((vertices, triangles): &Arrays) -> Mesh {
    mesh_from_arrays("m", vertices, triangles, DVec3::ONE, &Location::file("test"), &MeshLimits::default())
        .unwrap()
}

/// A prism over a polygon in the xy-plane that is cut into triangles, from z = 0 to `height`.
fn prism(polygon: &[[f64; 2]], cut: &[[u32; 3]], height: f64) -> Arrays {
    let n = polygon.len() as u32;
    let at = |z: f64| polygon.iter().map(move |p| [p[0], p[1], z]);
    let vertices = at(0.0).chain(at(height)).collect();
    let mut triangles: Vec<[u32; 3]> =
        cut.iter().flat_map(|[a, b, c]| [[*a, *c, *b], [a + n, b + n, c + n]]).collect();
    for i in 0..n {
        let j = (i + 1) % n;
        triangles.extend([[i, j, j + n], [i, j + n, i + n]]);
    }
    (vertices, triangles)
}

fn block(x: f64, y: f64, z: f64) -> Arrays {
    prism(&[[0.0, 0.0], [x, 0.0], [x, y], [0.0, y]], &[[0, 1, 2], [0, 2, 3]], z)
}

/// Not star-shaped about the middle of its surface, so MuJoCo's rules differ on it.
fn u_shape() -> Arrays {
    let polygon =
        [[0.0, 0.0], [3.0, 0.0], [3.0, 4.0], [2.0, 4.0], [2.0, 1.0], [1.0, 1.0], [1.0, 3.0], [0.0, 3.0]];
    prism(&polygon, &[[0, 1, 4], [0, 4, 5], [0, 5, 6], [0, 6, 7], [1, 2, 3], [1, 3, 4]], 1.0)
}

fn flipped((vertices, triangles): Arrays) -> Arrays {
    (vertices, triangles.into_iter().map(|[a, b, c]| [a, c, b]).collect())
}

/// Latitude and longitude grid on the unit sphere.
fn sphere(rings: u32, sectors: u32) -> Arrays {
    let mut vertices = vec![[0.0, 0.0, 1.0]];
    for ring in 1..rings {
        let theta = PI * f64::from(ring) / f64::from(rings);
        vertices.extend((0..sectors).map(|s| {
            let phi = 2.0 * PI * f64::from(s) / f64::from(sectors);
            [theta.sin() * phi.cos(), theta.sin() * phi.sin(), theta.cos()]
        }));
    }
    vertices.push([0.0, 0.0, -1.0]);
    let (last, id) = (vertices.len() as u32 - 1, |ring: u32, s: u32| 1 + (ring - 1) * sectors + s % sectors);
    let mut triangles = Vec::new();
    for s in 0..sectors {
        triangles.push([0, id(1, s), id(1, s + 1)]);
        triangles.push([last, id(rings - 1, s + 1), id(rings - 1, s)]);
        for ring in 1..rings - 1 {
            let [a, b, c, d] = [id(ring, s), id(ring + 1, s), id(ring + 1, s + 1), id(ring, s + 1)];
            triangles.extend([[a, b, c], [a, c, d]]);
        }
    }
    (vertices, triangles)
}

fn assert_matrix(actual: DMat3, expected: DMat3, tolerance: f64, what: &str) {
    assert_all_close(&actual.to_cols_array(), &expected.to_cols_array(), tolerance, what);
}

#[test]
fn block_has_its_closed_form() {
    let (x, y, z) = (2.0, 3.0, 0.5);
    for arrays in [block(x, y, z), flipped(block(x, y, z))] {
        let mass = mass_properties(&mesh(&arrays)).unwrap();
        let volume = x * y * z;
        assert_close(mass.volume, volume, F32, "volume");
        assert_all_close(&mass.com.to_array(), &[x / 2.0, y / 2.0, z / 2.0], F32, "centre");
        let moments = DVec3::new(y * y + z * z, x * x + z * z, x * x + y * y) * volume / 12.0;
        assert_matrix(mass.inertia, DMat3::from_diagonal(moments), 10.0 * F32, "inertia");
    }
}

#[test]
fn corner_tetrahedron_has_its_closed_form() {
    let vertices = vec![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let arrays = (vertices, vec![[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]);
    let mass = mass_properties(&mesh(&arrays)).unwrap();
    assert_close(mass.volume, 1.0 / 6.0, F32, "volume");
    assert_all_close(&mass.com.to_array(), &[0.25; 3], F32, "centre");
    // About the corner Ixx = 1/30 and Ixy = -1/120; moved to the centre by Steiner.
    let (diagonal, off) = (1.0 / 30.0 - 1.0 / 48.0, -1.0 / 120.0 + 1.0 / 96.0);
    let expected = DMat3::from_cols(
        DVec3::new(diagonal, off, off),
        DVec3::new(off, diagonal, off),
        DVec3::new(off, off, diagonal),
    );
    assert_matrix(mass.inertia, expected, F32, "inertia");
}

#[test]
fn fine_sphere_is_nearly_a_ball() {
    /// A grid of 64 by 128 is inscribed; it misses this share of the volume.
    const DISCRETISATION: f64 = 3e-3;
    let mass = mass_properties(&mesh(&sphere(64, 128))).unwrap();
    let volume = 4.0 / 3.0 * PI;
    assert_close_relative(mass.volume, volume, DISCRETISATION, "volume");
    for axis in 0..3 {
        let moment = mass.inertia.col(axis)[axis];
        assert_close_relative(moment, 0.4 * volume, 2.0 * DISCRETISATION, "moment");
    }
    let area = mass_properties_as(&mesh(&sphere(64, 128)), MeshInertia::Shell).unwrap();
    assert_close_relative(area.volume, 4.0 * PI, DISCRETISATION, "surface");
    assert_close_relative(area.inertia.x_axis.x, 2.0 / 3.0 * 4.0 * PI, 2.0 * DISCRETISATION, "shell");
}

#[test]
fn position_does_not_cost_digits() {
    let (vertices, triangles) = block(1.0, 1.0, 1.0);
    let far = vertices.iter().map(|v| [v[0] + 1000.0, v[1], v[2]]).collect();
    let mass = mass_properties(&mesh(&(far, triangles))).unwrap();
    assert_close(mass.volume, 1.0, F32, "volume");
    assert_close(mass.inertia.x_axis.x, 1.0 / 6.0, F32, "inertia");
}

/// Body mass, centre and principal moments that MuJoCo computes for mesh geoms of density 1.
const MUJOCO_MESHES: &str = r#"
import json, sys, mujoco
out = []
for case in json.load(sys.stdin):
    flat = lambda rows: ' '.join(repr(x) for row in rows for x in row)
    rule = '' if case['rule'] is None else f"inertia='{case['rule']}'"
    xml = f"""<mujoco><asset><mesh name='m' vertex='{flat(case['vertices'])}' face='{flat(case['triangles'])}' {rule}/></asset>
      <worldbody><body><freejoint/><geom type='mesh' mesh='m' density='1'/></body></worldbody></mujoco>"""
    m = mujoco.MjModel.from_xml_string(xml)
    out.append([m.body_mass[1], *m.body_ipos[1], *m.body_inertia[1]])
print(json.dumps(out))
"#;

#[test]
fn rules_agree_with_mujoco() {
    /// MuJoCo reads vertices in single precision.
    const MUJOCO: f64 = 2e-6;
    let shapes = [u_shape(), block(1.0, 2.0, 3.0), sphere(8, 12)];
    let rules = [
        (None, MeshInertia::default()),
        (Some("exact"), MeshInertia::Exact),
        (Some("convex"), MeshInertia::Convex),
        (Some("shell"), MeshInertia::Shell),
    ];
    let cases: Vec<(&Arrays, Option<&str>, MeshInertia)> =
        shapes.iter().flat_map(|shape| rules.map(|(name, rule)| (shape, name, rule))).collect();
    let request: Vec<Value> =
        cases.iter().map(|(s, name, _)| json!({"vertices": s.0, "triangles": s.1, "rule": name})).collect();
    let request = Value::from(request);
    let Some(answer) = testkit::available(testkit::ask_python(MUJOCO_MESHES, &request)) else { return };
    assert_eq!(answer.as_array().map(Vec::len), Some(cases.len()));
    for ((shape, name, rule), expected) in cases.iter().zip(answer.as_array().unwrap()) {
        let expected: Vec<f64> = expected.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
        let ours = mass_properties_as(&mesh(shape), *rule).unwrap();
        let (moments, _) = principal_axes(ours.inertia);
        let ours = [&[ours.volume][..], &ours.com.to_array(), &moments.to_array()].concat();
        for (a, e) in ours.iter().zip(&expected) {
            assert_close(*a, *e, MUJOCO * e.abs().max(1.0), &format!("{name:?} {ours:?}"));
        }
    }
}

#[test]
fn principal_axes_rebuild_the_matrix() {
    let mut random = Random(1);
    for case in 0..200 {
        let moments =
            if case % 4 == 0 { DVec3::new(2.0, 2.0, 1.0) } else { random.vec3() + DVec3::splat(1.0) };
        let axes = DMat3::from_quat(random.quat());
        let matrix = axes * DMat3::from_diagonal(moments) * axes.transpose();
        let (found, rotation) = principal_axes(matrix);
        assert!(found.x >= found.y && found.y >= found.z, "descending: {found}");
        assert_close(rotation.length(), 1.0, 1e-12, "unit quaternion");
        let rebuilt = DMat3::from_quat(rotation);
        assert_matrix(rebuilt * DMat3::from_diagonal(found) * rebuilt.transpose(), matrix, 1e-12, "matrix");
    }
    assert_eq!(principal_axes(DMat3::from_diagonal(DVec3::new(3.0, 2.0, 1.0))).1, DQuat::IDENTITY);
}

fn obj_text((vertices, triangles): &Arrays) -> String {
    let mut text = "mtllib ../../etc/passwd\no one\n".to_owned();
    vertices.iter().for_each(|v| writeln!(text, "v {} {} {}", v[0], v[1], v[2]).unwrap());
    for (i, t) in triangles.iter().enumerate() {
        if i == triangles.len() / 2 {
            text.push_str("o two\nusemtl none\n");
        }
        writeln!(text, "f {} {} {}", t[0] + 1, t[1] + 1, t[2] + 1).unwrap();
    }
    text
}

fn corners((vertices, triangles): &Arrays) -> impl Iterator<Item = [[f32; 3]; 3]> {
    triangles.iter().map(|t| t.map(|i| vertices[i as usize].map(|x| x as f32)))
}

fn ascii_stl(arrays: &Arrays) -> String {
    let mut text = "solid of a test\n".to_owned();
    for triangle in corners(arrays) {
        text.push_str("facet normal 0 0 0\n outer loop\n");
        triangle.iter().for_each(|v| writeln!(text, "  vertex {} {} {}", v[0], v[1], v[2]).unwrap());
        text.push_str(" endloop\nendfacet\n");
    }
    text + "endsolid\n"
}

/// The header begins like the ascii format, as many exporters write it.
pub fn binary_stl(arrays: &Arrays) -> Vec<u8> {
    let mut bytes = format!("{:<80}", "solid but binary").into_bytes();
    bytes.extend((arrays.1.len() as u32).to_le_bytes());
    for triangle in corners(arrays) {
        bytes.extend([0; 12]);
        bytes.extend(triangle.iter().flatten().flat_map(|x| x.to_le_bytes()));
        bytes.extend([0; 2]);
    }
    bytes
}

#[test]
fn formats_give_the_same_solid() {
    let folder = folder("mesh_formats");
    let shape = u_shape();
    std::fs::write(folder.join("a.obj"), obj_text(&shape)).unwrap();
    std::fs::write(folder.join("b.stl"), ascii_stl(&shape)).unwrap();
    std::fs::write(folder.join("c.STL"), binary_stl(&shape)).unwrap();
    let expected = mass_properties(&mesh(&shape)).unwrap();
    for name in ["a.obj", "b.stl", "c.STL"] {
        let loaded = load_mesh(&folder.join(name), DVec3::ONE, &MeshLimits::default()).unwrap();
        assert_eq!(loaded.vertices.len(), 16, "{name}: equal vertices are merged");
        assert_eq!(loaded.triangles.len(), shape.1.len(), "{name}");
        assert_eq!(loaded.name, &name[..1]);
        let mass = mass_properties(&loaded).unwrap();
        assert_close(mass.volume, expected.volume, F32, name);
        assert_matrix(mass.inertia, expected.inertia, 10.0 * F32, name);
    }
}

#[test]
fn polygons_become_triangles_and_colours_are_ignored() {
    let folder = folder("mesh_polygons");
    let text = "v 0 0 0 1 0 0\nv 2 0 0 1 0 0\nv 2 2 0 1 0 0\nv 0 2 0 1 0 0\nv 0 0 1\nv 2 0 1\nv 2 2 1\nv 0 2 1\n\
                vt 0 0\nf 4/1 3/1 2/1 1/1\nf -4 -3 -2 -1\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8\np 1\nl 1 2\n";
    std::fs::write(folder.join("box.obj"), text).unwrap();
    let text = text.replace(" 1 0 0\n", "\n");
    std::fs::write(folder.join("plain.obj"), text).unwrap();
    let loaded =
        load_mesh(&folder.join("plain.obj"), DVec3::new(1.0, 1.0, 3.0), &MeshLimits::default()).unwrap();
    assert_eq!(loaded.triangles.len(), 12);
    assert_close(mass_properties(&loaded).unwrap().volume, 12.0, F32, "scaled volume");
}

#[test]
fn mirroring_keeps_outside_outside() {
    let (vertices, triangles) = u_shape();
    let at = Location::file("test");
    let limits = MeshLimits::default();
    let mirrored =
        mesh_from_arrays("m", &vertices, &triangles, DVec3::new(-1.0, 1.0, 1.0), &at, &limits).unwrap();
    let signed: f64 = mirrored
        .triangles
        .iter()
        .map(|t| t.map(|i| DVec3::from_array(mirrored.vertices[i as usize].map(f64::from))))
        .map(|[a, b, c]| a.dot(b.cross(c)) / 6.0)
        .sum();
    assert_close(signed, 8.0, F32, "signed volume");
}

#[test]
fn convexity_is_told() {
    use keiko_model::inertia::is_convex;
    assert!(is_convex(&mesh(&block(1.0, 2.0, 3.0))));
    assert!(is_convex(&mesh(&flipped(block(1.0, 2.0, 3.0)))));
    assert!(is_convex(&mesh(&sphere(16, 16))));
    assert!(!is_convex(&mesh(&u_shape())));
    assert_eq!(check_solid(&mesh(&u_shape())), Ok(()));
}

#[test]
fn hull_of_a_cloud_is_closed_and_holds_all_points() {
    let mut random = Random(5);
    let cloud: Vec<[f64; 3]> = (0..2000)
        .map(|i| match i % 3 {
            // A ball, a grid of coplanar and collinear points, and copies.
            0 => (random.axis() * random.uniform(0.0, 3.0)).to_array(),
            1 => [(); 3].map(|()| (random.uniform(0.0, 4.99).floor() - 2.0) * 1.5),
            _ => [1.0, 2.0, f64::from(i % 7)],
        })
        .collect();
    let mut vertices: Vec<[f32; 3]> = cloud.iter().map(|p| p.map(|x| x as f32)).collect();
    vertices.sort_by(|a, b| a.partial_cmp(b).unwrap());
    vertices.dedup();
    let cloud = Mesh { name: "cloud".to_owned(), vertices, triangles: Vec::new(), texcoords: Vec::new() };
    let hull = convex_hull(&cloud).unwrap();
    let mut edges = std::collections::HashSet::new();
    for [a, b, c] in &hull.triangles {
        for edge in [(*a, *b), (*b, *c), (*c, *a)] {
            assert!(edges.insert(edge), "each directed edge once");
        }
        let [a, b, c] = [a, b, c].map(|i| DVec3::from_array(hull.vertices[*i as usize].map(f64::from)));
        let normal = (b - a).cross(c - a).normalize_or_zero();
        let out = cloud.vertices.iter().map(|p| normal.dot(DVec3::from_array(p.map(f64::from)) - a));
        assert!(out.fold(f64::MIN, f64::max) < 1e-5, "all points lie behind each triangle");
    }
    assert!(edges.iter().all(|(a, b)| edges.contains(&(*b, *a))), "closed");
    assert_eq!(hull.triangles.len() + 4, 2 * hull.vertices.len(), "Euler's formula");
}
