//! What the window draws besides its panels.

/// Entries `corner` and `show`: a picture over all of a viewport. Its bindings are a texture and a sampler.
pub fn picture_shader() -> &'static str {
    include_str!("window/picture.wgsl")
}
