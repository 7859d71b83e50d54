//! Which geoms may touch, and with what friction.
//!
//! MuJoCo's rules: masks (`contype`, `conaffinity`), no contact inside a link or between a link and its parent
//! (unless the parent is the world), excluded body pairs, named pairs. Collision groups and the joints' own
//! filter express nearly all of it; what they cannot express goes through hooks on the geoms concerned only.

use keiko_model::robot::{ContactPair, Geom, RobotModel};
use rapier3d::prelude::{
    ActiveHooks, ContactModificationContext, Group, InteractionGroups, InteractionTestMode,
    PairFilterContext, PhysicsHooks, SolverFlags,
};

use super::links::Links;

/// Contact rules of a model, for geoms by index.
#[derive(Clone, Debug, Default)]
pub(crate) struct PairTable {
    num_geoms: usize,
    /// Bit `a * num_geoms + b`.
    allowed: Vec<u64>,
    /// Friction of pairs that is not the larger of the two: `(a, b, friction)` with `a < b`, sorted.
    friction: Vec<(u32, u32, f32)>,
    /// Whether each geom has a collider.
    pub collides: Vec<bool>,
    /// Collision groups of each geom.
    pub groups: Vec<InteractionGroups>,
    /// Hooks of each geom.
    pub hooks: Vec<ActiveHooks>,
    /// Whether each link may touch the link that carries it.
    pub touches_parent: Vec<bool>,
}

impl PairTable {
    /// Works out the rules.
    pub fn new(model: &RobotModel, links: &Links) -> Self {
        let n = model.geoms.len();
        let mut table = Self {
            num_geoms: n,
            allowed: vec![0; (n * n).div_ceil(64)],
            friction: Vec::new(),
            collides: model.geoms.iter().map(Geom::collides).collect(),
            groups: model.geoms.iter().map(groups_of).collect(),
            hooks: vec![ActiveHooks::empty(); n],
            touches_parent: vec![false; links.links.len()],
        };
        table.open_named_pairs(model);
        let colliding: Vec<usize> = (0..n).filter(|&g| table.collides[g]).collect();
        let pairs = || {
            colliding.iter().enumerate().flat_map(|(k, &a)| colliding[k + 1..].iter().map(move |&b| (a, b)))
        };
        for (a, b) in pairs() {
            table.decide(model, links, a, b);
        }
        for (a, b) in pairs() {
            table.add_hooks(model, links, a, b);
        }
        table
    }

    /// Geoms of named pairs that their masks would keep apart pass the groups, and the hook decides.
    fn open_named_pairs(&mut self, model: &RobotModel) {
        for pair in &model.contact_pairs {
            let [a, b] = pair.geoms;
            if !masks_allow(&model.geoms[a], &model.geoms[b]) {
                for geom in [a, b] {
                    self.collides[geom] = true;
                    self.groups[geom] =
                        InteractionGroups::new(Group::ALL, Group::ALL, InteractionTestMode::Or);
                }
            }
        }
    }

    fn decide(&mut self, model: &RobotModel, links: &Links, a: usize, b: usize) {
        let (ga, gb) = (&model.geoms[a], &model.geoms[b]);
        let (la, lb) = (links.of_body[ga.body], links.of_body[gb.body]);
        if la == lb {
            return;
        }
        let excluded =
            model.contact_excludes.iter().any(|e| *e == [ga.body, gb.body] || *e == [gb.body, ga.body]);
        let family =
            la != 0 && lb != 0 && (links.parent_with_bodies(la) == lb || links.parent_with_bodies(lb) == la);
        if named_pair(model, a, b).is_some() || (masks_allow(ga, gb) && !excluded && !family) {
            self.set_allowed(a, b);
            if let Some(child) = joined_child(links, la, lb) {
                self.touches_parent[child] = true;
            }
        }
    }

    /// Hooks where groups and joints give another answer than the table.
    fn add_hooks(&mut self, model: &RobotModel, links: &Links, a: usize, b: usize) {
        let (ga, gb) = (&model.geoms[a], &model.geoms[b]);
        let (la, lb) = (links.of_body[ga.body], links.of_body[gb.body]);
        if la == lb {
            return;
        }
        let allowed = self.allows(a, b);
        let parted_by_joint = joined_child(links, la, lb).is_some_and(|child| !self.touches_parent[child]);
        if (self.groups[a].test(self.groups[b]) && !parted_by_joint) != allowed {
            self.hooks[b] |= ActiveHooks::FILTER_CONTACT_PAIRS;
        }
        let named = named_pair(model, a, b);
        let friction = pair_friction(ga, gb, named);
        if allowed && friction != ga.friction.x.max(gb.friction.x) {
            self.friction.push((a as u32, b as u32, friction as f32));
            self.hooks[b] |= ActiveHooks::MODIFY_SOLVER_CONTACTS;
        }
    }

    fn set_allowed(&mut self, a: usize, b: usize) {
        for bit in [a * self.num_geoms + b, b * self.num_geoms + a] {
            self.allowed[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Whether two geoms may touch.
    pub fn allows(&self, a: usize, b: usize) -> bool {
        let bit = a * self.num_geoms + b;
        self.allowed[bit / 64] >> (bit % 64) & 1 == 1
    }

    fn friction_of(&self, a: usize, b: usize) -> Option<f32> {
        let key = (a.min(b) as u32, a.max(b) as u32);
        let at = self.friction.binary_search_by_key(&key, |&(a, b, _)| (a, b)).ok()?;
        Some(self.friction[at].2)
    }

    /// Whether any pair needs a hook.
    pub fn needs_hooks(&self) -> bool {
        self.hooks.iter().any(|h| !h.is_empty())
    }
}

fn masks_allow(a: &Geom, b: &Geom) -> bool {
    a.contype & b.conaffinity != 0 || b.contype & a.conaffinity != 0
}

fn groups_of(geom: &Geom) -> InteractionGroups {
    InteractionGroups::new(
        Group::from_bits_truncate(geom.contype),
        Group::from_bits_truncate(geom.conaffinity),
        InteractionTestMode::Or,
    )
}

fn named_pair(model: &RobotModel, a: usize, b: usize) -> Option<&ContactPair> {
    model.contact_pairs.iter().find(|p| p.geoms == [a, b] || p.geoms == [b, a])
}

/// Of two links joined by a joint the one that it moves; the world's joints do not count.
fn joined_child(links: &Links, a: usize, b: usize) -> Option<usize> {
    if a == 0 || b == 0 {
        None
    } else if links.links[a].parent == b {
        Some(a)
    } else {
        (links.links[b].parent == a).then_some(b)
    }
}

/// MuJoCo's mix: the named pair's, else the higher priority's, else the larger; none if contacts have dimension 1.
fn pair_friction(a: &Geom, b: &Geom, named: Option<&ContactPair>) -> f64 {
    let (friction, condim) = match a.priority.cmp(&b.priority) {
        std::cmp::Ordering::Greater => (a.friction.x, a.condim),
        std::cmp::Ordering::Less => (b.friction.x, b.condim),
        std::cmp::Ordering::Equal => (a.friction.x.max(b.friction.x), a.condim.max(b.condim)),
    };
    if named.and_then(|p| p.condim).unwrap_or(condim) == 1 {
        return 0.0;
    }
    named.and_then(|p| p.friction).map_or(friction, |f| f[0])
}

/// The table at work in one environment.
pub(crate) struct PairHooks<'a> {
    pub table: &'a PairTable,
    pub friction_scale: f32,
}

impl PhysicsHooks for PairHooks<'_> {
    fn filter_contact_pair(&self, context: &PairFilterContext) -> Option<SolverFlags> {
        let geom = |handle| context.colliders.get(handle).map(|c| c.user_data as usize);
        let (a, b) = (geom(context.collider1)?, geom(context.collider2)?);
        self.table.allows(a, b).then(SolverFlags::default)
    }

    fn modify_solver_contacts(&self, context: &mut ContactModificationContext) {
        let geom = |handle| context.colliders.get(handle).map(|c| c.user_data as usize);
        let (Some(a), Some(b)) = (geom(context.collider1), geom(context.collider2)) else { return };
        if let (Some(friction), Some(manifold)) = (self.table.friction_of(a, b), context.rigid_mut()) {
            *manifold.friction = friction * self.friction_scale;
        }
    }
}
