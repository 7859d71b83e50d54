//! The ray tracer's text: valid without a GPU, and laid out as its mirrors say.

use keiko_gpu::camera::{MIRRORS, OUTPUTS, SOURCES, What, develop_kernel, pose_kernel, trace_kernel};
use keiko_gpu::validate;
use keiko_gpu::wgpu::naga;

#[test]
fn every_entry_point_is_valid() {
    for (text, entries) in [
        (pose_kernel(), vec!["place_geoms", "place_cameras"]),
        (trace_kernel(), vec!["trace"]),
        (develop_kernel(), vec!["develop"]),
    ] {
        validate(&text).unwrap_or_else(|error| panic!("{error}"));
        let module = naga::front::wgsl::parse_str(&text).expect("it is valid");
        let names: Vec<&str> = module.entry_points.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, entries);
    }
    let text = trace_kernel();
    let module = naga::front::wgsl::parse_str(&text).expect("it is valid");
    for switch in OUTPUTS.iter().chain(&[
        "SHADOWS",
        "LAMPS",
        "LENS",
        "GLOSS",
        "TEXTURES",
        "HAS_MESH",
        "HAS_HEIGHT_FIELD",
        "CULL",
    ]) {
        assert!(module.overrides.iter().any(|(_, o)| o.name.as_deref() == Some(switch)), "{switch}");
    }
}

#[test]
fn structs_are_laid_out_as_their_mirrors() {
    let modules = [pose_kernel(), develop_kernel()]
        .map(|text| naga::front::wgsl::parse_str(&text).expect("it is valid"));
    for (name, size, fields) in MIRRORS {
        let mut types = modules.iter().flat_map(|module| module.types.iter());
        let found = types.find(|(_, of)| of.name.as_deref() == Some(name));
        let Some((_, naga::Type { inner: naga::TypeInner::Struct { members, span }, .. })) = found else {
            panic!("the text has no struct `{name}`");
        };
        assert_eq!(*span as usize, *size, "size of {name}");
        let there: Vec<_> = members
            .iter()
            .map(|member| (member.name.clone().unwrap_or_default(), member.offset as usize))
            .collect();
        let mirrored: Vec<_> = fields.iter().map(|(field, offset)| ((*field).to_owned(), *offset)).collect();
        assert_eq!(there, mirrored, "fields of {name}");
    }
}

#[test]
fn numbers_of_the_developing_text_are_their_mirrors() {
    let text = develop_kernel();
    let has = |line: String| assert!(text.contains(&line), "{line}");
    has(format!("const BEGINS: u32 = {}u;", What::Begins as u32));
    has(format!("const STAYS: u32 = {}u;", What::Stays as u32));
    for (binding, source) in SOURCES.iter().enumerate() {
        let name = match *source {
            "distance" => "distances",
            "class" => "classes",
            "link" => "links",
            "flow" => "moved",
            source => source,
        };
        has(format!("@group(1) @binding({binding}) var<storage, read> {name}:"));
    }
    for (number, source) in SOURCES.iter().enumerate() {
        has(format!("const {}: u32 = {number}u;", source.to_uppercase()));
    }
}
