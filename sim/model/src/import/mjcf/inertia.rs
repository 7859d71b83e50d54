//! Mass of geoms and of bodies.

use std::f64::consts::PI;

use glam::{DMat3, DQuat, DVec3};

use crate::Pose;
use crate::mesh::principal_axes;
use crate::robot::Inertial;

/// Volume \[m³\] (or surface \[m²\]) of a primitive and its principal moments per mass \[m²\].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solid {
    /// Volume, or surface for a shell.
    pub volume: f64,
    /// Principal moments divided by mass.
    pub moments_per_mass: DVec3,
}

/// A ball.
pub fn sphere(r: f64, shell: bool) -> Solid {
    if shell {
        Solid { volume: 4.0 * PI * r * r, moments_per_mass: DVec3::splat(2.0 / 3.0 * r * r) }
    } else {
        Solid { volume: 4.0 / 3.0 * PI * r.powi(3), moments_per_mass: DVec3::splat(0.4 * r * r) }
    }
}

/// A box of half sizes `h`.
pub fn cuboid(h: DVec3, shell: bool) -> Solid {
    let squares = h * h;
    let ball = DVec3::splat(squares.element_sum()) - squares;
    if !shell {
        return Solid { volume: 8.0 * h.element_product(), moments_per_mass: ball / 3.0 };
    }
    // Three pairs of plates; a plate across axis k holds its mass at distance h_k with in-plane second moments h²/3.
    let areas = DVec3::new(h.y * h.z, h.z * h.x, h.x * h.y);
    let share = areas / areas.element_sum();
    let second = DVec3::from_array(std::array::from_fn(|axis| {
        squares[axis] * (share[axis] + (1.0 - share[axis]) / 3.0)
    }));
    Solid { volume: 8.0 * areas.element_sum(), moments_per_mass: DVec3::splat(second.element_sum()) - second }
}

/// A cylinder along z of radius `r` and half length `l`.
pub fn cylinder(r: f64, l: f64, shell: bool) -> Solid {
    let (volume, radial, axial) = if shell {
        let (discs, wall) = (2.0 * PI * r * r, 4.0 * PI * r * l);
        let total = discs + wall;
        // Second moments per mass along a radius and along the axis.
        (
            total,
            (discs * r * r / 4.0 + wall * r * r / 2.0) / total,
            (discs * l * l + wall * l * l / 3.0) / total,
        )
    } else {
        (2.0 * PI * r * r * l, r * r / 4.0, l * l / 3.0)
    };
    Solid { volume, moments_per_mass: DVec3::new(radial + axial, radial + axial, 2.0 * radial) }
}

/// A capsule along z of radius `r` and half segment `l`.
pub fn capsule(r: f64, l: f64, shell: bool) -> Solid {
    let (caps, wall, radial_caps, axial_caps, radial_wall) = if shell {
        // Half spheres of surface: centre at r/2, second moment r²/3 about the ball's centre.
        (4.0 * PI * r * r, 4.0 * PI * r * l, r * r / 3.0, r * r / 3.0 + l * l + l * r, r * r / 2.0)
    } else {
        // Half balls: centre at 3r/8, second moment r²/5 about the ball's centre.
        (
            4.0 / 3.0 * PI * r.powi(3),
            2.0 * PI * r * r * l,
            r * r / 5.0,
            r * r / 5.0 + l * l + 0.75 * l * r,
            r * r / 4.0,
        )
    };
    let total = caps + wall;
    let radial = (caps * radial_caps + wall * radial_wall) / total;
    let axial = (caps * axial_caps + wall * l * l / 3.0) / total;
    Solid { volume: total, moments_per_mass: DVec3::new(radial + axial, radial + axial, 2.0 * radial) }
}

/// An ellipsoid; its shell is a layer of even thickness, with the surface by Thomsen's formula, as in MuJoCo.
pub fn ellipsoid(radii: DVec3, shell: bool) -> Solid {
    let solid = |radii: DVec3| {
        let squares = radii * radii;
        let moments = (DVec3::splat(squares.element_sum()) - squares) / 5.0;
        (4.0 / 3.0 * PI * radii.element_product(), moments)
    };
    let (inner, inner_moments) = solid(radii);
    if !shell {
        return Solid { volume: inner, moments_per_mass: inner_moments };
    }
    const THICKNESS: f64 = 1e-6;
    const THOMSEN: f64 = 1.6075;
    let (outer, outer_moments) = solid(radii + THICKNESS);
    let pairs = [radii.x * radii.y, radii.y * radii.z, radii.z * radii.x];
    let mean = pairs.iter().map(|p| p.powf(THOMSEN)).sum::<f64>() / 3.0;
    Solid {
        volume: 4.0 * PI * mean.powf(1.0 / THOMSEN),
        moments_per_mass: (outer_moments * outer - inner_moments * inner) / (outer - inner),
    }
}

/// The sum of several mass distributions.
pub fn combine(parts: &[Inertial]) -> Inertial {
    match parts {
        [] => Inertial::ZERO,
        [one] => *one,
        _ => {
            let mass: f64 = parts.iter().map(|p| p.mass).sum();
            let com = parts.iter().map(|p| p.pose.position * p.mass).sum::<DVec3>() / mass;
            let tensor = parts.iter().fold(DMat3::ZERO, |sum, p| sum + tensor_about(p, com));
            let (moments, rotation) = principal_axes(tensor);
            Inertial { mass, pose: Pose::new(com, rotation), moments }
        }
    }
}

/// Inertia tensor about a point, axes of the frame that the distribution is given in.
pub fn tensor_about(part: &Inertial, point: DVec3) -> DMat3 {
    rotated(part.pose.rotation, part.moments) + offset(part.mass, part.pose.position - point)
}

fn rotated(rotation: DQuat, moments: DVec3) -> DMat3 {
    let axes = DMat3::from_quat(rotation);
    axes * DMat3::from_diagonal(moments) * axes.transpose()
}

/// Steiner's term of a point mass.
fn offset(mass: f64, d: DVec3) -> DMat3 {
    let outer = DMat3::from_cols(d * d.x, d * d.y, d * d.z);
    (DMat3::from_diagonal(DVec3::splat(d.length_squared())) - outer) * mass
}

/// Whether some rigid body has these principal moments; rounding is allowed for.
pub fn is_possible(moments: DVec3) -> bool {
    let DVec3 { x, y, z } = moments;
    let slack = 1e-9 * moments.abs().max_element();
    x + y >= z - slack && y + z >= x - slack && z + x >= y - slack
}
