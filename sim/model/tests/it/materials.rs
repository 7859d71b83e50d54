//! Materials, textures and lights of MJCF files.

use std::path::PathBuf;

use keiko_model::import::{Import, ImportOptions, load};
use keiko_model::material::TextureKind;
use keiko_testkit as testkit;
use serde_json::{Value, json};

use crate::support::folder;

fn read(name: &str, text: &str) -> (PathBuf, Import) {
    let file = folder(name).join("robot.xml");
    std::fs::write(&file, text).unwrap();
    let import = load(&file, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    (file, import)
}

fn refusal(name: &str, text: &str) -> String {
    let file = folder(name).join("robot.xml");
    std::fs::write(&file, text).unwrap();
    load(&file, &ImportOptions::default()).expect_err("it is refused").to_string()
}

const PATTERNS: &str = r#"<mujoco><asset>
  <texture name="a" type="2d" builtin="checker" rgb1=".2 .3 .4" rgb2=".9 .8 .7" width="10" height="6" mark="edge" markrgb="1 0 0"/>
  <texture name="b" type="2d" builtin="gradient" rgb1=".9 .1 .4" rgb2="0 .5 1" width="17" height="9"/>
  <texture name="c" type="cube" builtin="flat" rgb1=".2 .3 .4" rgb2=".9 .8 .7" width="7" height="42" mark="cross" markrgb="0 1 .5"/>
  <texture name="d" type="cube" builtin="checker" rgb1="1 1 1" rgb2="0 0 0" width="8" height="8"/>
  <texture name="e" type="cube" builtin="gradient" rgb1="1 .2 1" rgb2="0 .3 .6" width="16" height="16"/>
  <texture name="f" type="2d" builtin="flat" rgb1=".1 .9 .2" rgb2="0 0 0" width="3" height="4" mark="cross"/>
</asset><worldbody><geom type="sphere" size="1"/></worldbody></mujoco>"#;

#[test]
fn patterns_have_the_bytes_of_mujocos() {
    const SCRIPT: &str = r#"
import json, sys, mujoco
m = mujoco.MjModel.from_xml_path(json.load(sys.stdin))
adr = list(m.tex_adr) + [len(m.tex_data)]
print(json.dumps([m.tex_data[adr[i]:adr[i + 1]].ravel().tolist() for i in range(m.ntex)]))
"#;
    let (file, import) = read("patterns", PATTERNS);
    let Some(theirs) = testkit::available(testkit::ask_python(SCRIPT, &json!(file))) else { return };
    let theirs: Vec<Vec<u8>> = serde_json::from_value(theirs).unwrap();
    assert_eq!(theirs.len(), import.model.textures.len());
    for (ours, theirs) in import.model.textures.iter().zip(&theirs) {
        let worst = ours.pixels.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b)).max();
        println!("{}: off by at most {worst:?}", ours.name);
        assert_eq!(ours.pixels.len(), theirs.len(), "{}", ours.name);
        // A last digit of a sigmoid may fall on either side of a whole number.
        assert!(worst <= Some(u8::from(matches!(ours.name.as_str(), "b" | "e"))), "{}: {worst:?}", ours.name);
    }
}

#[test]
fn materials_say_how_surfaces_shine() {
    let (_, import) = read(
        "finishes",
        r#"<mujoco><default><default class="shiny"><material specular="1" shininess="1"/></default></default><asset>
        <texture name="t" type="2d" builtin="flat" width="2" height="2"/>
        <material name="plain" rgba="1 0 0 1"/>
        <material name="usual" specular="0.5" shininess="0.5"/>
        <material name="steel" class="shiny" metallic="1" roughness="0.2" emission="0.3" reflectance="0.4"/>
        <material name="papered" texture="t" texrepeat="2 3" texuniform="true"/>
        </asset><worldbody>
        <geom type="sphere" size="1" material="plain"/><geom type="sphere" size="1" material="usual"/>
        <geom type="sphere" size="1" material="steel" rgba="0 1 0 1"/><geom type="sphere" size="1"/>
        </worldbody></mujoco>"#,
    );
    let model = &import.model;
    let finishes: Vec<_> = model.materials.iter().map(|material| material.finish).collect();
    assert_eq!((finishes[0], finishes[3]), (None, None));
    let usual = finishes[1].unwrap();
    // α² = 2 / (64 + 2).
    assert!((usual.roughness.powi(4) - 2.0 / 66.0).abs() < 1e-12 && usual.specular == 0.5);
    let steel = finishes[2].unwrap();
    assert_eq!((steel.roughness, steel.metallic, steel.specular, steel.emission), (0.2, 1.0, 1.0, 0.3));
    let papered = model.materials[3].texture.unwrap();
    assert_eq!((papered.texture, papered.repeat, papered.uniform), (0, [2.0, 3.0], true));
    let colours: Vec<_> = model.geoms.iter().map(|geom| (geom.material, geom.rgba)).collect();
    assert_eq!(colours[0], (Some(0), [1.0, 0.0, 0.0, 1.0]));
    assert_eq!(colours[1], (Some(1), [1.0; 4]));
    assert_eq!(colours[2], (Some(2), [0.0, 1.0, 0.0, 1.0]));
    assert_eq!(colours[3].0, None);
    let lost: Vec<String> = import.report.entries.iter().map(ToString::to_string).collect();
    assert!(lost.len() == 1 && lost[0].contains("mirror images"), "{lost:?}");
}

#[test]
fn what_names_nothing_is_refused_and_what_is_not_there_is_lost() {
    let around = |asset: &str, geom: &str| {
        format!(
            "<mujoco><asset>{asset}</asset><worldbody><geom type='sphere' size='1' {geom}/></worldbody></mujoco>"
        )
    };
    let error = refusal("no_material", &around("<material name='steel'/>", "material='stele'"));
    assert!(error.contains("no material named `stele`") && error.contains("steel"), "{error}");
    let error = refusal("no_texture", &around("<material name='steel' texture='rust'/>", ""));
    assert!(error.contains("no texture named `rust`"), "{error}");
    let flat = "<texture name='t' type='2d' builtin='flat' width='0' height='3'/>";
    assert!(refusal("no_width", &around(flat, "")).contains("the width of a texture is 0"));
    let missing = "<texture name='t' type='2d' file='gone.png'/><material name='m' texture='t'/>";
    let (_, import) = read("gone", &around(missing, "material='m'"));
    let lost: Vec<String> = import.report.entries.iter().map(ToString::to_string).collect();
    assert!(lost.len() == 1 && lost[0].contains("gone.png"), "{lost:?}");
    assert!(import.model.materials[0].texture.is_none() && import.report.entries[0].visual);
}

#[test]
fn meshes_bring_their_places_in_a_picture() {
    let folder = folder("places");
    let obj = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nvt 1 0\nvt 1 .75\nvt 0 1\n\
        f 1/1 4/4 3/3 2/2\nf 1/1 2/2 5/4\nf 2/1 3/2 5/3\nf 3/1 4/2 5/3\nf 4/1 1/2 5/3\n";
    std::fs::write(folder.join("m.obj"), obj).unwrap();
    for (scale, mirrored) in [("1 1 1", false), ("1 -1 1", true)] {
        let text = format!(
            "<mujoco><asset><mesh name='m' file='m.obj' scale='{scale}'/></asset><worldbody>\
             <geom type='mesh' mesh='m'/></worldbody></mujoco>"
        );
        let file = folder.join("robot.xml");
        std::fs::write(&file, text).unwrap();
        let mesh = load(&file, &ImportOptions::default()).unwrap().model.meshes.remove(0);
        assert_eq!(mesh.texcoords.len(), mesh.triangles.len());
        // Rows are counted from above; a mirrored triangle has its corners the other way round.
        let expected = [[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]];
        let [a, b, c] = expected;
        assert_eq!(mesh.texcoords[2], if mirrored { [a, c, b] } else { [a, b, c] });
    }
}

#[test]
fn lights_are_kept_and_shine_when_they_are_asked_to() {
    let (_, import) = read(
        "lights",
        r#"<mujoco><visual><headlight diffuse=".6 .6 .6" ambient=".3 .2 .1"/><global azimuth="90"/></visual>
        <worldbody>
          <light name="sun" directional="true" dir="0 1 -1" diffuse=".5 .6 .7" castshadow="false"/>
          <light pos="0 0 3" cutoff="30" exponent="4" attenuation="1 .1 .2" ambient="0 .1 0"/>
          <light name="off" active="false"/>
          <body name="b" pos="1 0 0" euler="0 0 90"><geom type="sphere" size="1"/><freejoint/>
            <light name="follower" mode="targetbody" target="c" pos="0 0 2"/></body>
          <body name="c" pos="1 2 2"><geom type="sphere" size="1"/></body>
        </worldbody></mujoco>"#,
    );
    let mut model = import.model;
    assert!(model.lamps.is_empty() && !model.is_lit_as_file);
    let light = model.file_light.clone();
    assert_eq!(light.headlight.to_array(), [0.6; 3]);
    assert!((light.ambient - glam::DVec3::new(0.3, 0.3, 0.1)).length() < 1e-12);
    let [sun, spot, follower] = light.lamps.as_slice() else { panic!("{light:?}") };
    assert!(sun.parallel && !sun.shadow && sun.cone.is_none() && sun.exponent == 0.0);
    assert!((sun.direction - glam::DVec3::new(0.0, 0.5f64.sqrt(), -0.5f64.sqrt())).length() < 1e-12);
    assert_eq!((sun.color.to_array(), sun.name.as_str()), ([0.5, 0.6, 0.7], "sun"));
    assert!(!spot.parallel && spot.exponent == 4.0 && spot.attenuation == [1.0, 0.1, 0.2]);
    assert!((spot.cone.unwrap()[1] - 30f64.to_radians()).abs() < 1e-12 && !spot.name.is_empty());
    // From (1, 0, 2) to (1, 2, 2), in a body that is turned by 90 degrees.
    assert!((follower.direction - glam::DVec3::X).length() < 1e-9, "{follower:?}");
    let lost: Vec<String> = import.report.entries.iter().map(ToString::to_string).collect();
    assert!(lost.iter().any(|loss| loss.contains("`off`") && loss.contains("it is off")), "{lost:?}");
    assert!(
        lost.iter().any(|loss| loss.contains("follower") && loss.contains("stands at first")),
        "{lost:?}"
    );
    assert!(lost.iter().any(|loss| loss.contains("global")), "{lost:?}");
    model.shine_as_file();
    assert!(model.lamps.len() == 3 && model.is_lit_as_file);
}

#[test]
fn cubes_are_unfolded_as_the_layout_says() {
    let folder = folder("cubes");
    // The smallest PNG files that Python can write: kept as numbers so that the test needs no encoder.
    const SCRIPT: &str = r#"
import json, struct, sys, zlib
def png(path, width, height, pixels):
    rows = b"".join(b"\0" + bytes(sum(pixels[y * width:(y + 1) * width], [])) for y in range(height))
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
import mujoco
folder = json.load(sys.stdin)
png(folder + "/grid.png", 8, 6, [[10 * (x // 2), 20 * (y // 2), 7 * (x % 2) + y % 2] for y in range(6) for x in range(8)])
png(folder + "/one.png", 2, 2, [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]])
m = mujoco.MjModel.from_xml_path(folder + "/robot.xml")
adr = list(m.tex_adr) + [len(m.tex_data)]
print(json.dumps([m.tex_data[adr[i]:adr[i + 1]].ravel().tolist() for i in range(m.ntex)]))
"#;
    let text = r#"<mujoco><asset>
      <texture name="grid" type="cube" file="grid.png" gridsize="3 4" gridlayout=".U..LFRB.D.." rgb1="1 0 0"/>
      <texture name="part" type="cube" file="grid.png" gridsize="3 4" gridlayout=".U..LF....D." rgb1="1 0 0"/>
      <texture name="turned" type="2d" file="one.png" hflip="true"/>
      <texture name="sunk" type="2d" file="one.png" vflip="true"/>
      <texture name="six" type="cube" fileright="one.png" fileup="one.png" rgb1=".5 .5 .5"/>
    </asset><worldbody><geom type="sphere" size="1"/></worldbody></mujoco>"#;
    std::fs::write(folder.join("robot.xml"), text).unwrap();
    let Some(theirs) = testkit::available(testkit::ask_python(SCRIPT, &json!(folder))) else { return };
    let model = load(&folder.join("robot.xml"), &ImportOptions::default()).unwrap().model;
    let Value::Array(theirs) = theirs else { panic!("a list") };
    assert_eq!((theirs.len(), model.textures[0].kind), (5, TextureKind::Cube));
    for (ours, theirs) in model.textures.iter().zip(&theirs) {
        let theirs: Vec<u8> = serde_json::from_value(theirs.clone()).unwrap();
        assert_eq!(ours.pixels, theirs, "{}", ours.name);
    }
}
