//! Lenses: from rays to points of the image and back.
//!
//! Points are in focal lengths from the principal point, x right and y down; rays have OpenCV's axes. Coefficients and
//! formulas are OpenCV's, so what its calibration prints can be copied.

use std::f64::consts::PI;

use glam::{DMat2, DVec2, DVec3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Newton's steps from a point of the image to its ray; tracers take as many.
pub const LENS_STEPS: usize = 8;
/// Points between the middle and a ray at which the image must not fold over.
const CHECKS: u32 = 32;
/// A lens that squeezes an area by more than this counts as folded: `f32` would find no way back.
const LEAST_AREA: f64 = 1e-3;
/// How near to its point a ray must come back \[focal length\].
const CLOSE: f64 = 1e-9;
/// What a full turn may be too long by, as people write it \[rad\].
const OVER: f64 = 1e-3;

/// How a lens bends rays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Lens {
    /// Not at all.
    #[default]
    Pinhole,
    /// Radial and tangential distortion of a pinhole: OpenCV's `calibrateCamera` (Brown 1966, Conrady 1919).
    BrownConrady {
        /// Radial, of the second power.
        #[serde(default)]
        k1: f64,
        /// Radial, of the fourth power.
        #[serde(default)]
        k2: f64,
        /// Tangential, along y.
        #[serde(default)]
        p1: f64,
        /// Tangential, along x.
        #[serde(default)]
        p2: f64,
        /// Radial, of the sixth power.
        #[serde(default)]
        k3: f64,
    },
    /// A fisheye, in whose image the distance from the middle grows with the angle: OpenCV's `fisheye::calibrate`
    /// (Kannala and Brandt 2006). It may see more than half of all directions.
    KannalaBrandt {
        /// Of the third power of the angle.
        #[serde(default)]
        k1: f64,
        /// Of the fifth.
        #[serde(default)]
        k2: f64,
        /// Of the seventh.
        #[serde(default)]
        k3: f64,
        /// Of the ninth.
        #[serde(default)]
        k4: f64,
    },
    /// All around: columns are angles from the axis sideways and rows are angles up and down, both at even steps. What a
    /// turning lidar measures, each row a ring; or a panorama.
    Equirectangular,
}

impl Lens {
    /// How far from the middle a ray at an angle \[rad\] from the axis is seen, distortion left out.
    pub fn reach(self, angle: f64) -> f64 {
        match self {
            Self::Pinhole | Self::BrownConrady { .. } => angle.tan(),
            Self::KannalaBrandt { .. } | Self::Equirectangular => angle,
        }
    }

    /// The angle \[rad\] from the axis of what is seen so far from the middle, distortion left out.
    pub fn angle(self, reach: f64) -> f64 {
        match self {
            Self::Pinhole | Self::BrownConrady { .. } => reach.atan(),
            Self::KannalaBrandt { .. } | Self::Equirectangular => reach,
        }
    }

    /// Whether it bends no ray.
    pub fn is_pinhole(&self) -> bool {
        *self == Self::Pinhole
    }

    /// Whether it can see what is beside or behind the camera.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::KannalaBrandt { .. } | Self::Equirectangular)
    }

    /// All coefficients, in OpenCV's order.
    pub fn coefficients(self) -> [f64; 5] {
        match self {
            Self::Pinhole | Self::Equirectangular => [0.0; 5],
            Self::BrownConrady { k1, k2, p1, p2, k3 } => [k1, k2, p1, p2, k3],
            Self::KannalaBrandt { k1, k2, k3, k4 } => [k1, k2, k3, k4, 0.0],
        }
    }

    /// The unit ray that is seen at a point; `None` where the lens has no way back, since its image folds over or ends
    /// before.
    pub fn ray(self, point: [f64; 2]) -> Option<DVec3> {
        let point = DVec2::from(point);
        match self {
            Self::Pinhole => Some(point.extend(1.0).normalize()),
            Self::BrownConrady { .. } => {
                let mut plain = point;
                for _ in 0..LENS_STEPS {
                    let (there, slope) = self.distort(plain);
                    plain -= slope.inverse() * (there - point);
                }
                let area = |k: u32| self.distort(plain * (f64::from(k) / f64::from(CHECKS))).1.determinant();
                let unfolded = (1..=CHECKS).all(|k| area(k) > LEAST_AREA);
                let close = self.distort(plain).0.distance(point) < CLOSE;
                (unfolded && close).then(|| plain.extend(1.0).normalize())
            }
            Self::KannalaBrandt { .. } => {
                let reach = point.length();
                let mut angle = reach;
                for _ in 0..LENS_STEPS {
                    let (there, slope) = self.bend(angle);
                    angle -= (there - reach) / slope;
                }
                let slope = |k: u32| self.bend(angle * f64::from(k) / f64::from(CHECKS)).1;
                let unfolded = (1..=CHECKS).all(|k| slope(k) > LEAST_AREA);
                let close = (self.bend(angle).0 - reach).abs() < CLOSE;
                let aside = if reach > 0.0 { point / reach } else { DVec2::ZERO };
                let seen = unfolded && close && angle <= PI;
                seen.then(|| (aside * angle.sin()).extend(angle.cos()))
            }
            Self::Equirectangular => {
                let inside = point.abs().cmple(DVec2::new(PI, 0.5 * PI) + OVER);
                let (sideways, downwards) = (point.x.sin_cos(), point.y.sin_cos());
                inside
                    .all()
                    .then(|| DVec3::new(sideways.0 * downwards.1, downwards.0, sideways.1 * downwards.1))
            }
        }
    }

    /// Where a pinhole's point goes, and how that changes with the point.
    fn distort(self, plain: DVec2) -> (DVec2, DMat2) {
        let [k1, k2, p1, p2, k3] = self.coefficients();
        let DVec2 { x, y } = plain;
        let r2 = x * x + y * y;
        let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
        let slope = k1 + r2 * (2.0 * k2 + 3.0 * r2 * k3);
        let across = 2.0 * (x * y * slope + p1 * x + p2 * y);
        let there = DVec2::new(
            x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
            y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
        );
        let along_x = radial + 2.0 * (x * x * slope + p1 * y + 3.0 * p2 * x);
        let along_y = radial + 2.0 * (y * y * slope + 3.0 * p1 * y + p2 * x);
        (there, DMat2::from_cols_array(&[along_x, across, across, along_y]))
    }

    /// How far from the middle an angle is seen, and how that changes with the angle.
    fn bend(self, angle: f64) -> (f64, f64) {
        let [k1, k2, k3, k4, _] = self.coefficients();
        let t2 = angle * angle;
        let reach = angle * (1.0 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))));
        let slope = 1.0 + t2 * (3.0 * k1 + t2 * (5.0 * k2 + t2 * (7.0 * k3 + t2 * 9.0 * k4)));
        (reach, slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where OpenCV's documentation says that a ray is seen.
    fn published(lens: Lens, ray: DVec3) -> [f64; 2] {
        match lens {
            Lens::Pinhole => [ray.x / ray.z, ray.y / ray.z],
            Lens::BrownConrady { k1, k2, p1, p2, k3 } => {
                let (x, y) = (ray.x / ray.z, ray.y / ray.z);
                let r = x.hypot(y);
                let radial = 1.0 + k1 * r.powi(2) + k2 * r.powi(4) + k3 * r.powi(6);
                [
                    x * radial + 2.0 * p1 * x * y + p2 * (r.powi(2) + 2.0 * x.powi(2)),
                    y * radial + p1 * (r.powi(2) + 2.0 * y.powi(2)) + 2.0 * p2 * x * y,
                ]
            }
            Lens::KannalaBrandt { k1, k2, k3, k4 } => {
                let aside = ray.x.hypot(ray.y);
                let t = aside.atan2(ray.z);
                let bent = t * (1.0 + k1 * t.powi(2) + k2 * t.powi(4) + k3 * t.powi(6) + k4 * t.powi(8));
                [bent * ray.x / aside, bent * ray.y / aside]
            }
            Lens::Equirectangular => [ray.x.atan2(ray.z), ray.y.asin()],
        }
    }

    /// Lenses as calibrations print them, with how far from the middle their images reach.
    const REAL: [(Lens, f64); 6] = [
        (Lens::Pinhole, 1.5),
        // A webcam, a wide-angle lens, a zoom at its long end.
        (Lens::BrownConrady { k1: 0.1139, k2: -0.2107, p1: 0.0012, p2: -0.0007, k3: 0.0581 }, 0.9),
        (Lens::BrownConrady { k1: -0.2834, k2: 0.0739, p1: 0.00019, p2: 0.0000176, k3: 0.0 }, 0.95),
        (Lens::BrownConrady { k1: 0.4, k2: 0.1, p1: -0.003, p2: 0.002, k3: 0.0 }, 1.5),
        // 220 degrees.
        (Lens::KannalaBrandt { k1: -0.0134, k2: 0.0021, k3: -0.0012, k4: 0.0001 }, 1.85),
        // A lidar.
        (Lens::Equirectangular, 1.5),
    ];

    #[test]
    fn a_ray_is_seen_where_it_was_looked_for() {
        for (lens, reach) in REAL {
            for at in 0..400 {
                let turn = f64::from(at) * 2.399_963;
                let point = DVec2::from_angle(turn) * (reach * (f64::from(at) / 400.0).sqrt());
                let ray = lens.ray(point.to_array()).unwrap_or_else(|| panic!("{lens:?} at {point}"));
                assert!((ray.length() - 1.0).abs() < 1e-12);
                let back = if at == 0 { [0.0; 2] } else { published(lens, ray) };
                assert!(DVec2::from(back).distance(point) < 1e-9, "{lens:?} at {point}: {back:?}");
            }
        }
        let lidar = Lens::Equirectangular;
        assert!(lidar.ray([PI, 0.0]).is_some_and(|ray| ray.distance(DVec3::NEG_Z) < 1e-12), "a full turn");
        assert!(lidar.ray([0.0, 1.58]).is_none() && lidar.ray([-3.15, 0.0]).is_none());
        let wide = Lens::KannalaBrandt { k1: 0.0, k2: 0.0, k3: 0.0, k4: 0.0 };
        assert!(wide.ray([1.9, 0.0]).is_some_and(|ray| ray.z < -0.3), "it sees backwards");
    }

    /// With k1 = -0.3 the image ends where the radius is sqrt(1 / 0.9), at 0.7027.
    #[test]
    fn where_an_image_folds_over_there_is_no_ray() {
        let lens = Lens::BrownConrady { k1: -0.3, k2: 0.0, p1: 0.0, p2: 0.0, k3: 0.0 };
        assert!(lens.ray([0.69, 0.0]).is_some());
        assert!(lens.ray([0.71, 0.0]).is_none() && lens.ray([0.0, 2.0]).is_none());
        // It goes up again behind the fold: a second ray is seen at the same point, and is not the one that is meant.
        let folded = Lens::BrownConrady { k1: -0.9, k2: 0.3, p1: 0.0, p2: 0.0, k3: 0.0 };
        assert!((0..300).all(|k| {
            let ray = folded.ray([0.01 * f64::from(k), 0.0]);
            ray.is_none_or(|ray| ray.x / ray.z < 0.75)
        }));
        let fisheye = Lens::KannalaBrandt { k1: 0.0, k2: 0.0, k3: 0.0, k4: 0.0 };
        assert!(fisheye.ray([3.1, 0.0]).is_some() && fisheye.ray([3.2, 0.0]).is_none());
    }
}
