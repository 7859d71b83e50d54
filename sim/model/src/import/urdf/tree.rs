//! Which link hangs on which: names resolved, and one tree made sure of.

use std::collections::HashMap;

use crate::error::{ErrorKind, Result};
use crate::import::xml::{Attribute, Element};
use crate::import::{Limits, check_name};

/// A link by name.
pub struct Link<'a> {
    pub name: &'a str,
    pub element: &'a Element,
}

/// A joint between two links.
pub struct TreeJoint<'a> {
    pub name: &'a str,
    pub element: &'a Element,
    pub parent: usize,
    pub child: usize,
}

/// Links and joints of a file, known to form one tree.
pub struct Tree<'a> {
    pub links: Vec<Link<'a>>,
    pub joints: Vec<TreeJoint<'a>>,
    /// The link that is no joint's child.
    pub root: usize,
    /// Joints below each link, in file order.
    pub child_joints: Vec<Vec<usize>>,
    /// Joint above each link.
    pub parent_joint: Vec<Option<usize>>,
}

impl<'a> Tree<'a> {
    /// Reads names and connections.
    ///
    /// # Errors
    /// `Structure` for names that repeat or dangle, links with two parents, cycles and several bases; `Limit`.
    pub fn read(document: &'a Element, limits: &Limits) -> Result<Self> {
        let mut tree = Self {
            links: Vec::new(),
            joints: Vec::new(),
            root: 0,
            child_joints: Vec::new(),
            parent_joint: Vec::new(),
        };
        let mut link_by_name = HashMap::new();
        for element in document.children_named("link") {
            let (name, _) = claim(element, &mut link_by_name, tree.links.len(), limits)?;
            tree.links.push(Link { name, element });
            if tree.links.len() > limits.bodies {
                let message = format!("more than {} links", limits.bodies);
                return Err(element.error(ErrorKind::Limit, message));
            }
        }
        if tree.links.is_empty() {
            return Err(match document.child("deformable") {
                Some(soft) => soft.error(ErrorKind::Unsupported, "deformable bodies are not supported"),
                None => document.error(ErrorKind::Structure, "the robot has no `<link>`"),
            }
            .allowed("at least one rigid link"));
        }
        tree.child_joints = vec![Vec::new(); tree.links.len()];
        tree.parent_joint = vec![None; tree.links.len()];
        let mut joint_by_name = HashMap::new();
        for element in document.children_named("joint") {
            let (name, _) = claim(element, &mut joint_by_name, tree.joints.len(), limits)?;
            let parent = end(element, "parent", &link_by_name)?;
            let child = end(element, "child", &link_by_name)?;
            tree.connect(TreeJoint { name, element, parent, child })?;
        }
        tree.find_root(document)?;
        Ok(tree)
    }

    fn connect(&mut self, joint: TreeJoint<'a>) -> Result<()> {
        let describe = joint.element.describe();
        if joint.parent == joint.child {
            let message = format!("{describe} joins link `{}` to itself", self.links[joint.child].name);
            return Err(joint
                .element
                .error(ErrorKind::Structure, message)
                .allowed("parent and child must differ"));
        }
        if let Some(other) = self.parent_joint[joint.child] {
            let other = &self.joints[other];
            let message = format!("link `{}` is the child of {describe} too", self.links[joint.child].name);
            let first = format!("it is the child of joint `{}` at {}", other.name, other.element.location());
            return Err(joint.element.error(ErrorKind::Structure, message).allowed(first));
        }
        self.parent_joint[joint.child] = Some(self.joints.len());
        self.child_joints[joint.parent].push(self.joints.len());
        self.joints.push(joint);
        Ok(())
    }

    /// Each link has at most one parent, so a single base from which all are reached proves a tree.
    fn find_root(&mut self, document: &Element) -> Result<()> {
        let mut roots = (0..self.links.len()).filter(|link| self.parent_joint[*link].is_none());
        let Some(root) = roots.next() else { return Err(self.cycle_error(0)) };
        if let Some(second) = roots.next() {
            let (first, second) = (&self.links[root], &self.links[second]);
            let message =
                format!("link `{}` hangs on no joint, and neither does link `{}`", second.name, first.name);
            let allowed = format!(
                "all links but one are a joint's child; the other one stands at {}",
                first.element.location()
            );
            return Err(second.element.error(ErrorKind::Structure, message).allowed(allowed));
        }
        let mut reached = vec![false; self.links.len()];
        let mut stack = vec![root];
        while let Some(link) = stack.pop() {
            reached[link] = true;
            stack.extend(self.child_joints[link].iter().map(|joint| self.joints[*joint].child));
        }
        if let Some(link) = reached.iter().position(|r| !r) {
            return Err(self.cycle_error(link));
        }
        if self.links.iter().enumerate().any(|(i, link)| link.name == "world" && i != root) {
            return Err(document
                .error(ErrorKind::Structure, "the link `world` is the child of a joint")
                .allowed("only the base may have that name"));
        }
        self.root = root;
        Ok(())
    }

    /// Climbs from a link that has no base above it until a link repeats.
    fn cycle_error(&self, from: usize) -> crate::Error {
        let mut seen = vec![false; self.links.len()];
        let mut link = from;
        while !seen[link]
            && let Some(joint) = self.parent_joint[link]
        {
            seen[link] = true;
            link = self.joints[joint].parent;
        }
        let joint = self.parent_joint[link].map_or(&self.joints[0], |joint| &self.joints[joint]);
        let message = format!(
            "{} closes a cycle of joints over link `{}`",
            joint.element.describe(),
            self.links[link].name
        );
        joint.element.error(ErrorKind::Structure, message).allowed("links and joints must form a tree")
    }
}

/// The name of a link or joint, refused if it is missing, too long or taken.
fn claim<'a>(
    element: &'a Element,
    taken: &mut HashMap<&'a str, (usize, &'a Attribute)>,
    index: usize,
    limits: &Limits,
) -> Result<(&'a str, usize)> {
    element.visit();
    let attribute = element.require("name")?;
    let name = attribute.value.as_str();
    if name.is_empty() {
        return Err(attribute.bad("is empty").allowed("a name is expected"));
    }
    check_name(name, limits, || {
        attribute.error(ErrorKind::Limit, format!("a name of {} bytes", name.len()))
    })?;
    if let Some((_, first)) = taken.insert(name, (index, attribute)) {
        let message = format!("a second {} named `{name}`", element.name);
        let first = format!("the first stands at {}", first.location());
        return Err(attribute.error(ErrorKind::Structure, message).allowed(first));
    }
    Ok((name, index))
}

/// The link at one end of a joint.
fn end(joint: &Element, which: &str, links: &HashMap<&str, (usize, &Attribute)>) -> Result<usize> {
    let end = joint.child(which).ok_or_else(|| {
        joint.error(ErrorKind::Structure, format!("{} lacks the element `<{which}>`", joint.describe()))
    })?;
    end.visit();
    let attribute = end.require("link")?;
    let name = attribute.value.as_str();
    links.get(name).map(|(index, _)| *index).ok_or_else(|| {
        let message = format!("there is no link named `{name}`");
        attribute.error(ErrorKind::Structure, message).nearest(name, links.keys().copied())
    })
}
