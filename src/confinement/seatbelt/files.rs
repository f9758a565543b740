//! The file rules of a profile: `FilePolicy::access` as rules of which the last that matches holds. Pure.
//!
//! Owns their order, and that nothing protected can be moved away, moved to or made. Must not look at the file system:
//! what exists comes in as `Places`.

use super::glob::{self, Depth, Glob};
use super::regex::{self, Case};
use super::text::{Filter, Say, Text, anchored, real, real_glob};
use super::{Boundary, SeatbeltError};
use crate::confinement::plan::{Before, Place};
use crate::confinement::repositories;
use crate::policy::files::{PathPattern, PathRule};
use crate::policy::protected;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How deep two globs of any depth are told apart; beyond it what is closed stays closed.
const DEEP: usize = 16;

/// In case Seatbelt is asked about a file where its volume is mounted.
const ON_DATA_VOLUME: &[u8] = b"(/System/Volumes/Data)?";

/// A directory at any depth.
const ANYWHERE: &[u8] = b"(/[^/]+)*";

/// What a rule of the policy names.
enum Named {
    Path(PathBuf),
    Glob { globs: Vec<Glob>, except: Vec<Glob>, base: PathBuf },
}

/// What one list of the policy names, and what of it exists elsewhere than it is spelled.
struct List(Vec<Named>);

impl List {
    fn new(rules: &[PathRule], places: &[Place]) -> Result<List, SeatbeltError> {
        let mut paths = BTreeSet::new();
        let mut all = Vec::new();
        for rule in rules {
            match &rule.pattern {
                PathPattern::Literal(path) => {
                    paths.insert(real(path));
                }
                PathPattern::Glob(pattern) => {
                    let read = |text: &str| {
                        glob::read(&real_glob(text)).map_err(|glob::TooMany| {
                            SeatbeltError::TooManyAlternatives {
                                pattern: pattern.text.clone(),
                                origin: rule.origin.to_string(),
                            }
                        })
                    };
                    let mut except = Vec::new();
                    for text in &pattern.except {
                        except.extend(read(text)?);
                    }
                    all.push(Named::Glob { globs: read(&pattern.text)?, except, base: real(&pattern.base) });
                }
            }
        }
        paths.extend(places.iter().map(|place| real(&place.path)));
        all.extend(paths.into_iter().map(Named::Path));
        Ok(List(all))
    }

    /// Filters for everything that the list covers.
    fn covered(&self, case: Case) -> Vec<Filter> {
        self.0.iter().flat_map(|named| named.covered(case)).collect()
    }

    /// The same without what has nothing to do with what is below `top` or above it.
    fn near(&self, top: &Path, case: Case) -> Vec<Filter> {
        let near = self.0.iter().filter(|named| {
            let base = named.base();
            // A closed name may be spelled otherwise.
            case == Case::Either || base.starts_with(top) || top.starts_with(base)
        });
        near.flat_map(|named| named.covered(case)).collect()
    }
}

impl Named {
    fn base(&self) -> &Path {
        match self {
            Named::Path(path) => path,
            Named::Glob { base, .. } => base,
        }
    }

    fn covered(&self, case: Case) -> Vec<Filter> {
        match self {
            Named::Path(path) => subtree(path, case),
            Named::Glob { globs, except, .. } => {
                let one = |glob: &Glob| {
                    if except.is_empty() {
                        return matching(glob, Depth::Any, case).unwrap_or_default();
                    }
                    let depths = glob.least()..=if glob.varies() { DEEP } else { glob.least() };
                    depths.flat_map(|depth| at(glob, except, Depth::Exactly(depth), case)).collect()
                };
                globs.iter().flat_map(one).collect()
            }
        }
    }
}

/// A path with everything below it.
fn subtree(path: &Path, case: Case) -> Vec<Filter> {
    let mut all = vec![Filter::Subpath(path.to_path_buf())];
    if case == Case::Either && path != Path::new("/") {
        let mut expression = Vec::new();
        regex::literal(path.as_os_str().as_bytes(), case, &mut expression);
        all.push(tree(&expression, case));
    }
    all
}

/// What the expression finds, with everything below it.
fn tree(expression: &[u8], case: Case) -> Filter {
    let start = if case == Case::Either { ON_DATA_VOLUME } else { b"" };
    anchored(start, expression, b"(/|$)")
}

fn matching(glob: &Glob, depth: Depth, case: Case) -> Option<Vec<Filter>> {
    let expressions = glob.expressions(depth, case)?;
    Some(expressions.iter().map(|expression| tree(expression, case)).collect())
}

/// What a glob covers from steps of a depth on, its exceptions left out. Where that cannot be said, what is closed is
/// closed as a whole and what is open is left closed.
fn at(glob: &Glob, except: &[Glob], depth: Depth, case: Case) -> Vec<Filter> {
    let whole = || match case {
        Case::Exact => Vec::new(),
        Case::Either => matching(glob, Depth::Any, case).unwrap_or_default(),
    };
    let Some(found) = matching(glob, depth, case) else { return whole() };
    if except.is_empty() || found.is_empty() {
        return found;
    }
    // Exceptions from what is closed are openings, and the other way round.
    let other = if case == Case::Exact { Case::Either } else { Case::Exact };
    let mut without = Vec::new();
    for glob in except {
        match (depth, matching(glob, depth, other)) {
            (Depth::Exactly(_), Some(excepted)) => without.extend(excepted),
            _ => return whole(),
        }
    }
    if without.is_empty() {
        return found;
    }
    vec![Filter::All(vec![Filter::Any(found), Filter::Not(Box::new(Filter::Any(without)))])]
}

/// One step on the way from `/` to a path: what it closes or opens, and where it stands in the order.
struct Step<'a> {
    order: (usize, bool),
    filters: Vec<Filter>,
    top: &'a Path,
    /// Whether `top` itself is only on the way.
    passes_top: bool,
}

/// The steps of a list. `last` is the deepest depth that is looked at by itself.
fn steps(list: &List, last: usize, case: Case) -> Vec<Step<'_>> {
    let closes = case == Case::Either;
    let mut all = Vec::new();
    for named in &list.0 {
        match named {
            Named::Path(path) => {
                let filters = subtree(path, case);
                all.push(Step { order: (depth(path), closes), filters, top: path, passes_top: false });
            }
            Named::Glob { globs, except, base } => {
                let mut add = |order: usize, filters: Vec<Filter>| {
                    all.push(Step { order: (order, closes), filters, top: base, passes_top: true });
                };
                for glob in globs {
                    if glob.varies() {
                        for depth in glob.least()..=last {
                            add(depth, at(glob, except, Depth::Exactly(depth), case));
                        }
                        add(usize::MAX, at(glob, except, Depth::Beyond(last), case));
                    } else {
                        add(glob.least(), at(glob, except, Depth::Exactly(glob.least()), case));
                    }
                }
            }
        }
    }
    all.retain(|step| !step.filters.is_empty());
    all
}

/// How many components a path has.
fn depth(path: &Path) -> usize {
    path.components().count().saturating_sub(1)
}

/// The deepest depth at which something is to be told apart.
fn last(denied: &List, allowed: &List) -> usize {
    let of = |list: &List| {
        let mut fixed = 0;
        let (mut varies, mut excepts) = (false, false);
        for named in &list.0 {
            match named {
                Named::Path(path) => fixed = fixed.max(depth(path)),
                Named::Glob { globs, except, .. } => {
                    for glob in globs {
                        varies |= glob.varies();
                        excepts |= glob.varies() && !except.is_empty();
                        fixed = fixed.max(if glob.varies() { 0 } else { glob.least() });
                    }
                }
            }
        }
        (fixed, varies, excepts)
    };
    let (one, other) = (of(denied), of(allowed));
    let fixed = one.0.max(other.0);
    if (one.1 && other.1) || one.2 || other.2 { fixed.max(DEEP) } else { fixed }
}

/// Writes all of them.
pub fn write(boundary: &Boundary<'_>, text: &mut Text) -> Result<(), SeatbeltError> {
    let (files, places) = (boundary.files, boundary.places);
    let writable = List::new(&files.writable, &places.writable)?;
    let write_denied = List::new(&files.write_denied, &places.write_denied)?;
    let read_denied = List::new(&files.read_denied, &places.read_denied)?;
    let read_allowed = List::new(&files.read_allowed, &places.read_allowed)?;

    text.own("(allow file-read*)");
    text.rule(Say::Allow, "file-write*", &writable.covered(Case::Exact));
    text.rule(Say::Deny, "file-write*", &write_denied.covered(Case::Either));

    let last = last(&read_denied, &read_allowed);
    let mut chain = steps(&read_denied, last, Case::Either);
    if !chain.is_empty() {
        chain.extend(steps(&read_allowed, last, Case::Exact));
    }
    chain.sort_by_key(|step| step.order);
    for step in &chain {
        if step.order.1 {
            text.rule(Say::Deny, "file-read* file-write*", &step.filters);
            continue;
        }
        text.rule(Say::Allow, "file-read*", &step.filters);
        // What is readable again is writable where it would have been.
        let writable = writable.near(step.top, Case::Exact);
        if !writable.is_empty() {
            let mut all = vec![Filter::Any(step.filters.clone()), Filter::Any(writable)];
            let closed = write_denied.near(step.top, Case::Either);
            if !closed.is_empty() {
                all.push(Filter::Not(Box::new(Filter::Any(closed))));
            }
            text.rule(Say::Allow, "file-write*", &[Filter::All(all)]);
        }
    }
    // On the way to what is readable again: looked at, never listed.
    let mut passages: BTreeSet<&Path> = BTreeSet::new();
    for step in chain.iter().filter(|step| !step.order.1) {
        passages.extend(step.top.ancestors().skip(usize::from(!step.passes_top)));
    }
    let passages: Vec<Filter> = passages.into_iter().map(|p| Filter::Literal(p.to_path_buf())).collect();
    text.rule(Say::Allow, "file-read-metadata", &passages);

    protect(boundary, &writable, &[&write_denied, &read_denied], text);
    Ok(())
}

/// What may be neither made nor moved.
fn protect(boundary: &Boundary<'_>, writable: &List, closed: &[&List], text: &mut Text) {
    let mut names: Vec<Filter> = Vec::new();
    let mut held: BTreeSet<PathBuf> = BTreeSet::new();
    let mut name = |root: &Path, below: &Path, held: &mut BTreeSet<PathBuf>| {
        let path = real(&root.join(below));
        names.extend(subtree(&path, Case::Either));
        // A directory on the way could be made elsewhere with the name in it, and moved here; or be a link.
        let between = path.ancestors().skip(1).take_while(|above| *above != real(root));
        held.extend(between.map(Path::to_path_buf));
    };
    for root in boundary.roots {
        protected::AT_TOP.iter().for_each(|below| name(root, Path::new(below), &mut held));
    }
    let mut bare: BTreeSet<(&Path, usize)> = BTreeSet::new();
    for guard in &boundary.places.guards {
        match guard.before {
            Before::NoBareRepository => {
                let rank = protected::BARE_REPOSITORY.iter().position(|part| guard.name == Path::new(part));
                bare.insert((&guard.root, rank.unwrap_or(0)));
            }
            // Below, at every depth.
            Before::NoRepository => {}
            Before::Missing | Before::Link(_) => name(&guard.root, &guard.name, &mut held),
        }
    }
    // One part that is missing keeps the others from being a repository, but for a HEAD with the way to another.
    let mut roots: BTreeSet<&Path> = BTreeSet::new();
    for (root, rank) in bare {
        let part = protected::BARE_REPOSITORY.get(rank).filter(|_| roots.insert(root));
        let way = part.filter(|part| **part != "HEAD").map(|_| &repositories::ELSEWHERE);
        part.into_iter().chain(way).for_each(|part| name(root, Path::new(part), &mut held));
    }
    text.rule(Say::Deny, "file-write*", &names);
    repositories(boundary, text);

    // Above what is closed, inside what is writable: moved away, it would take what is closed along to another name.
    let tops: Vec<&Path> = writable.0.iter().map(Named::base).collect();
    for named in closed.iter().flat_map(|list| &list.0) {
        let base = named.base();
        let inside = |path: &&Path| tops.iter().any(|top| path.starts_with(top));
        let skip = usize::from(matches!(named, Named::Path(_)));
        held.extend(base.ancestors().skip(skip).filter(inside).map(Path::to_path_buf));
    }
    let directories = boundary.places.writable.iter().filter(|place| place.directory);
    held.extend(directories.map(|place| real(&place.path)));
    held.remove(Path::new("/"));
    let held: Vec<Filter> = held
        .iter()
        .flat_map(|path| {
            let mut expression = Vec::new();
            regex::literal(path.as_os_str().as_bytes(), Case::Either, &mut expression);
            [Filter::Literal(path.clone()), anchored(ON_DATA_VOLUME, &expression, b"$")]
        })
        .collect();
    text.rule(Say::Deny, "file-write-create file-write-unlink", &held);
}

/// The names in repositories, at every depth, existing or not. A new `.git` is not made at all: nobody looks afterwards
/// at what it holds, as the gatekeeper does on Linux.
fn repositories(boundary: &Boundary<'_>, text: &mut Text) {
    let mut git = Vec::new();
    regex::literal(b"/.git", Case::Either, &mut git);
    let mut names = Vec::new();
    for name in protected::IN_REPOSITORY {
        let mut expression = Vec::new();
        regex::literal(format!("/{name}").as_bytes(), Case::Either, &mut expression);
        names.push(expression);
    }
    let names = [b"(".as_slice(), &names.join(b"|".as_slice()), b")"].concat();
    let mut modules = Vec::new();
    regex::literal(b"/modules", Case::Either, &mut modules);
    let own = [ANYWHERE, &git, &names].concat();
    let others = [ANYWHERE, &git, &modules, b"(/[^/]+)+", &names].concat();
    let all = [own, others].map(|expression| anchored(b"", &expression, b"(/|$)"));
    let mut filters = vec![Filter::Any(all.to_vec())];
    if boundary.files.allow_git_config {
        let config = |root: &PathBuf| Filter::Literal(real(root).join(".git/config"));
        filters.extend(boundary.roots.iter().map(config).map(|config| Filter::Not(Box::new(config))));
    }
    text.rule(Say::Deny, "file-write*", &[Filter::All(filters)]);
    let git = [ANYWHERE, &git].concat();
    text.rule(Say::Deny, "file-write-create file-write-unlink", &[anchored(b"", &git, b"$")]);
}
