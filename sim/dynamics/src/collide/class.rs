//! The kinds of shapes, in the order in which routines take them.

/// A kind of shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Half space below z = 0.
    Plane,
    /// Ball.
    Sphere,
    /// Segment along z with a radius.
    Capsule,
    /// Cylinder along z.
    Cylinder,
    /// Ellipsoid.
    Ellipsoid,
    /// Box.
    Box,
    /// Convex hull of a mesh.
    Hull,
    /// Heights over a grid.
    HeightField,
}

impl Class {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plane => "plane",
            Self::Sphere => "sphere",
            Self::Capsule => "capsule",
            Self::Cylinder => "cylinder",
            Self::Ellipsoid => "ellipsoid",
            Self::Box => "box",
            Self::Hull => "mesh",
            Self::HeightField => "height field",
        }
    }
}
