//! Which geoms may touch, and under which contact parameters.

use std::collections::HashSet;

use glam::DVec3;
use keiko_model::robot::{ContactPair, Geom, RobotModel, Softness};

use super::links::Links;

/// Two geoms that may touch, by index into the model's geoms.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// First geom.
    pub a: usize,
    /// Second geom.
    pub b: usize,
    /// How they touch.
    pub contact: ContactParameters,
}

/// Contact parameters of a pair, mixed as MuJoCo mixes them.
#[derive(Clone, Copy, Debug)]
pub struct ContactParameters {
    /// 1, 3, 4 or 6.
    pub condim: u8,
    /// Sliding, torsional, rolling friction.
    pub friction: DVec3,
    /// Coefficient of restitution.
    pub restitution: f64,
    /// Softness.
    pub softness: Softness,
    /// Distance at which the contact is there \[m\].
    pub margin: f64,
    /// Distance below that at which it starts to push \[m\].
    pub gap: f64,
}

/// All pairs that masks, exclusions, the tree and named pairs let touch, in geom order.
pub fn pairs(model: &RobotModel, links: &Links) -> Vec<Pair> {
    let excluded: HashSet<[usize; 2]> =
        model.contact_excludes.iter().flat_map(|&[a, b]| [[a, b], [b, a]]).collect();
    let link = |geom: &Geom| links.of_body[geom.body];
    let mut out = Vec::new();
    for (a, ga) in model.geoms.iter().enumerate() {
        for (b, gb) in model.geoms.iter().enumerate().skip(a + 1) {
            let (la, lb) = (link(ga), link(gb));
            if la == lb {
                continue;
            }
            let named = model.contact_pairs.iter().find(|p| p.geoms == [a, b] || p.geoms == [b, a]);
            let family = la != 0 && lb != 0 && (links.links[la].parent == lb || links.links[lb].parent == la);
            let masked = ga.contype & gb.conaffinity == 0 && gb.contype & ga.conaffinity == 0;
            if named.is_none() && (masked || family || excluded.contains(&[ga.body, gb.body])) {
                continue;
            }
            out.push(Pair { a, b, contact: mix(ga, gb, named) });
        }
    }
    out
}

/// Of two geoms the one with the higher priority decides; among equals friction, dimension and margins are the larger
/// one's and softness is mixed by weight.
fn mix(a: &Geom, b: &Geom, named: Option<&ContactPair>) -> ContactParameters {
    let of = |g: &Geom| ContactParameters {
        condim: g.condim,
        friction: g.friction,
        restitution: g.restitution,
        softness: g.softness,
        margin: 0.0,
        gap: 0.0,
    };
    let mut out = match a.priority.cmp(&b.priority) {
        std::cmp::Ordering::Greater => of(a),
        std::cmp::Ordering::Less => of(b),
        std::cmp::Ordering::Equal => ContactParameters {
            condim: a.condim.max(b.condim),
            friction: a.friction.max(b.friction),
            restitution: a.restitution.max(b.restitution),
            softness: mix_softness(a, b),
            margin: 0.0,
            gap: 0.0,
        },
    };
    out.margin = a.margin.max(b.margin);
    out.gap = a.gap.max(b.gap);
    if let Some(pair) = named {
        out.condim = pair.condim.unwrap_or(out.condim);
        out.friction = pair.friction.map_or(out.friction, |f| DVec3::new(f[0], f[2], f[3]));
        out.softness = pair.softness.unwrap_or(out.softness);
        out.margin = pair.margin.unwrap_or(out.margin);
        out.gap = pair.gap.unwrap_or(out.gap);
    }
    out
}

fn mix_softness(a: &Geom, b: &Geom) -> Softness {
    let total = a.solmix + b.solmix;
    let share = if total > 1e-15 {
        a.solmix / total
    } else if a.solmix == b.solmix {
        0.5
    } else {
        0.0
    };
    let blend = |x: f64, y: f64| share * x + (1.0 - share) * y;
    let (ra, rb) = (a.softness.solref, b.softness.solref);
    let solref = if ra[0] > 0.0 && rb[0] > 0.0 {
        [blend(ra[0], rb[0]), blend(ra[1], rb[1])]
    } else {
        [ra[0].min(rb[0]), ra[1].min(rb[1])]
    };
    let (ia, ib) = (a.softness.solimp, b.softness.solimp);
    Softness { solref, solimp: std::array::from_fn(|k| blend(ia[k], ib[k])) }
}
