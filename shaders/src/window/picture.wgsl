// A picture over all of a viewport.

@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var filtering: sampler;

struct Corner {
    @builtin(position) position: vec4f,
    /// From the upper left corner, in widths and heights.
    @location(0) at: vec2f,
}

/// One triangle that is larger than the viewport.
@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let at = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return Corner(vec4f(2.0 * at.x - 1.0, 1.0 - 2.0 * at.y, 0.0, 1.0), at);
}

@fragment
fn show(in: Corner) -> @location(0) vec4f {
    return textureSampleLevel(picture, filtering, in.at, 0.0);
}
