//! Surfaces with a finish: the formulas of `gloss.wgsl`, where their sources are named.

use keiko_dynamics::space::V3;
use keiko_gpu::camera::{Coat, Look};

use super::packet::{Wide, normalize, splat};
use super::shade;

/// Numbers of a coat that light meets, in the order of its fields.
const NUMBERS: usize = 24;
const FRESNEL: usize = 8;
const ALPHA: usize = 16;
const METALLIC: usize = 17;
const MIRRORED: usize = 18;
const GRAZING: usize = 19;
const ENERGY_MEAN: usize = 20;
const THROUGH_MEAN: usize = 21;
const SPREAD: usize = 22;
const EMISSION: usize = 23;

/// The coats that a packet sees, lane by lane.
#[derive(Clone, Copy)]
pub struct Coats<L> {
    numbers: [L; NUMBERS],
}

impl<L: Wide> Coats<L> {
    #[inline(always)]
    pub fn new() -> Self {
        let mut numbers = [L::zero(); NUMBERS];
        // What a lane without a coat works out is thrown away, and should be a number.
        numbers[ALPHA] = L::one();
        numbers[THROUGH_MEAN] = L::one();
        Self { numbers }
    }

    /// Lays a coat over lanes.
    #[inline(always)]
    pub fn lay(&mut self, lanes: L::Mask, coat: &Coat) {
        let numbers: &[f32] = bytemuck::cast_slice(std::slice::from_ref(coat));
        for k in 0..NUMBERS {
            self.numbers[k] = L::select(lanes, L::splat(numbers[k]), self.numbers[k]);
        }
    }

    /// A share of a cosine.
    #[inline(always)]
    fn share_at(&self, first: usize, x: L) -> L {
        let mut sum = L::zero();
        for k in 0..FRESNEL {
            sum = sum.mul_add(x, self.numbers[first + FRESNEL - 1 - k]);
        }
        sum.clamp(L::zero(), L::one())
    }

    #[inline(always)]
    fn facets(&self, facing: L) -> [L; 2] {
        [self.share_at(0, facing), self.share_at(FRESNEL, facing)]
    }

    /// Share of light that reaches the layer below.
    #[inline(always)]
    fn let_through(&self, [energy, growing]: [L; 2]) -> L {
        let n = &self.numbers;
        let mirrored = n[MIRRORED] * energy + (n[GRAZING] - n[MIRRORED]) * growing;
        L::one() - mirrored - n[SPREAD] * (L::one() - energy)
    }
}

/// Points of surfaces with a finish, seen along `-back`.
#[derive(Clone, Copy)]
pub struct Gloss<L> {
    coats: Coats<L>,
    color: V3<L>,
    normal: V3<L>,
    back: V3<L>,
    facing: L,
    under: V3<L>,
    mirrored: V3<L>,
    /// What there is to mirror along the surface and not straight on.
    bare: V3<L>,
    spread: V3<L>,
    whole: V3<L>,
    passed: L,
}

impl<L: Wide> Gloss<L> {
    #[inline(always)]
    pub fn new(coats: Coats<L>, color: V3<L>, normal: V3<L>, d: V3<L>) -> Self {
        let n = &coats.numbers;
        let one = L::one();
        let facing = (-normal.dot(d)).clamp(L::splat(1e-4), one);
        let metallic = n[METALLIC];
        let plain = V3::new(n[MIRRORED], n[MIRRORED], n[MIRRORED]);
        let mirrored = (color - plain).mul_add(metallic, plain);
        let grazing = (one - n[GRAZING]).mul_add(metallic, n[GRAZING]);
        let both = coats.facets(facing);
        let [energy, growing] = both;
        let mean = n[ENERGY_MEAN];
        let bare = V3::new(grazing, grazing, grazing) - mirrored;
        // A mixture of metal and what is none, of which each keeps its energy.
        let white = V3::new(one, one, one);
        let average = (white - color).mul_add(L::splat(1.0 / 21.0), color);
        let of_metal = V3::new(spread(average.x, mean), spread(average.y, mean), spread(average.z, mean));
        let of_others = V3::new(n[SPREAD], n[SPREAD], n[SPREAD]);
        let spread = shade::mix(of_others, of_metal, metallic);
        Self {
            under: color * ((one - metallic) * coats.let_through(both)),
            whole: mirrored * energy + bare * growing + spread * (one - energy),
            passed: (one - energy) / (one - mean).max(L::splat(1e-3)),
            back: V3::new(-d.x, -d.y, -d.z),
            coats,
            color,
            normal,
            facing,
            mirrored,
            bare,
            spread,
        }
    }

    /// What the surfaces send to the camera of light from `towards`.
    #[inline(always)]
    pub fn glossed(&self, towards: V3<L>) -> V3<L> {
        let (zero, one, n) = (L::zero(), L::one(), &self.coats.numbers);
        let lit = self.normal.dot(towards).clamp(zero, one);
        let halfway = normalize(self.back + towards);
        let alpha = n[ALPHA];
        // 1 - cosine² without losing digits.
        let aside = self.normal.cross(halfway);
        let upright = alpha * self.normal.dot(halfway);
        let dense = alpha / (aside.dot(aside) + upright * upright);
        let a2 = alpha * alpha;
        let rest = one - a2;
        let mask = L::splat(0.5)
            / (lit * (a2 + rest * self.facing * self.facing).sqrt()
                + self.facing * (a2 + rest * lit * lit).sqrt());
        let turn = one - self.back.dot(halfway).clamp(zero, one);
        let turn2 = turn * turn;
        let growth = turn2 * turn2 * turn;
        let both = self.coats.facets(lit);
        let below = self.coats.let_through(both) / n[THROUGH_MEAN];
        let mirror = dense * dense * mask;
        let passed = self.passed * (one - both[0]);
        let fresnel = self.bare.mul_add(growth, self.mirrored);
        (self.under * below + fresnel * mirror + self.spread * passed) * lit
    }

    /// The counterpart of [`shade::shade`].
    #[inline(always)]
    pub fn shade(&self, look: &Look, sunlight: L) -> V3<L> {
        let (half, n) = (L::splat(0.5), &self.coats.numbers);
        let (up, down) = (splat::<L>(look.ambient_up), splat::<L>(look.ambient_down));
        let ambient = shade::mix(down, up, self.normal.z.mul_add(half, half));
        let twice = L::splat(2.0) * self.normal.dot(self.back);
        let r = self.normal * twice - self.back;
        let around = self.surroundings(look, r);
        let direct = self.glossed(splat(look.sun)) * sunlight;
        let headlight = self.glossed(self.back) * L::splat(look.headlight);
        times(self.under, ambient)
            + times(self.whole, around)
            + times(direct, splat(look.sun_color))
            + headlight
            + self.color * n[EMISSION]
    }

    /// Light that comes from everywhere.
    #[inline(always)]
    fn surroundings(&self, look: &Look, r: V3<L>) -> V3<L> {
        let (half, alpha) = (L::splat(0.5), self.coats.numbers[ALPHA]);
        let (up, down) = (splat::<L>(look.ambient_up), splat::<L>(look.ambient_down));
        let level = (half + half * r.z / (L::splat(0.1) + alpha)).clamp(L::zero(), L::one());
        let sharp = shade::mix(down, shade::sky(look, r), level);
        let blurred = shade::mix(down, up, r.z.mul_add(half, half));
        shade::mix(sharp, blurred, alpha)
    }
}

/// What is left of light that facets pass on to each other, where they reflect `average` of it.
#[inline(always)]
fn spread<L: Wide>(average: L, mean: L) -> L {
    average * average * mean / (L::one() - average * (L::one() - mean))
}

#[inline(always)]
fn times<L: Wide>(a: V3<L>, b: V3<L>) -> V3<L> {
    V3::new(a.x * b.x, a.y * b.y, a.z * b.z)
}
