//! Demands that an engine is known to miss, and why.

use super::Row;

/// Engine, row of the card, beginning of the row's name, reason.
const KNOWN: &[(&str, &str, &str, &str)] = &[
    ("rapier", "T10", "precession rate error", SPIN),
    ("rapier", "T10", "tilt", SPIN),
    ("rapier", "T18", "height drift", CREEP),
    ("rapier", "T18", "slip", CREEP),
    ("rapier", "T18b", "mean squared momentum error", MOMENTUM),
    ("rapier", "T20", "stretch, end x1000", HEAVY),
    ("rapier", "T20", "energy gained, end x1000", HEAVY),
    ("rapier", "T25", "drift in 30 s, thickness 0.13", HULLS),
    ("rapier", "M1", "", MOMENTUM),
    ("rapier", "M2", "place of the trunk, afloat", FAR),
    ("rapier", "M2", "joint angles, on the ground", FAR),
    ("rapier", "M2", "place of the trunk, on the ground", FAR),
    ("lanes", "T19", "drop after 60 s, nine below 100 kg", TOP_HEAVY),
    ("lanes", "T19", "sideways, nine below 100 kg", TOP_HEAVY),
    ("lanes", "T20", "stretch, end x1000", WHIP),
    ("lanes", "T20", "energy gained, end x1000", WHIP),
    ("lanes", "T20", "energy gained, end x1", SNAP),
    ("lanes", "M1", "momentum drift", SECOND_ORDER),
];

const SPIN: &str = "the multibody integrator is of first order in a fast spin: the top leans 91 deg too far at 4 substeps, \
    23 at 16, 5 at steps of 0.25 ms; MuJoCo's Euler diverges";
const CREEP: &str = "feet of a multibody creep outwards under the servos' sideways forces";
const HEAVY: &str = "a chain of multibody links with a 1:1000 end becomes non-finite in the first second";
const HULLS: &str = "contacts between convex hulls do not carry the thrust, at 240 to 1000 Hz and 4 or 16 substeps alike; \
    why is not known";
const MOMENTUM: &str = "the multibody velocity update keeps momentum to first order in the substep only: a drift of \
    3.0e-2 per s at 1 substep, 8.9e-3 at 4, 2.4e-3 at 16";
const SECOND_ORDER: &str =
    "momentum is kept to second order in the substep: 1.0e-6 per s at 0.25 ms, in f64 as in f32";
const SNAP: &str = "the end of the chain snaps faster than 0.5 ms follow: 0.8 % of its fall; MuJoCo's Runge-Kutta gains 0.9 %, its \
    Euler diverges";
const WHIP: &str = "a chain of light links that ends in a thousandfold weight whips until it is non-finite; MuJoCo's Euler and \
    Runge-Kutta diverge as well";
const TOP_HEAVY: &str =
    "two sweeps in each of four substeps do not carry a hundredfold weight through ten layers";
const FAR: &str = "positions are f32: 100 m from the origin the motion of each substep is rounded to 8 um";

/// Why an engine misses a row's demand, where that is known.
pub fn reason(engine: &str, row: &Row) -> Option<&'static str> {
    let known = |&&(name, id, start, _): &&(&str, &str, &str, &str)| {
        name == engine && id == row.id && row.name.starts_with(start)
    };
    KNOWN.iter().find(known).map(|(_, _, _, reason)| *reason)
}
