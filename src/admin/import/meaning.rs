//! What an entry of sandbox-runtime's settings becomes here. Pure but for the checks of `sense`.
//!
//! Owns the table from their keys to ours, and the words for what becomes nothing. Must not decide whether an entry is too
//! broad: lint does.

use crate::cli::{Effect, EntryKind, Import, Wish};
use crate::exit;
use crate::pipeline::Stop;
use crate::pipeline::prepare::Prepared;
use crate::pipeline::sense;
use crate::settings::edit::Form;
use crate::settings::srt::{Said, What};
use serde_json::Value;

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq)]
pub enum Becomes {
    /// An entry of a list.
    Entry {
        /// The list.
        key: Vec<String>,
        /// How it is written there.
        form: Form,
        /// The entry.
        text: String,
    },
    /// A single value.
    Single {
        /// Its key.
        key: Vec<String>,
        /// The value.
        value: Value,
    },
    /// What is so anyway, or what nobody here needs.
    Needless(&'static str),
    /// Nothing; why.
    Nothing(String),
}

/// An entry with what becomes of it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its line there.
    pub line: usize,
    /// The key there.
    pub key: String,
    /// The entry, as it is shown.
    pub shown: String,
    /// Here.
    pub becomes: Becomes,
    /// Said beside it, where it means something else here.
    pub but: Option<&'static str>,
    /// Why it is written only if it is forced, where that is not lint's to say.
    pub dangerous: Option<&'static str>,
}

const MACOS: &str = "it is about macOS alone";
const BUILT_IN: &str = "it is about how that program is built";
const NOT_OPENED: &str = "TLS is not opened here, and requests are not looked into";
const ELSEWHERE: &str = "it is relative, which in the settings of all projects means nothing; take it over in a project, with --project";

/// What one entry becomes. `everywhere`: in the settings of all projects.
///
/// # Errors
/// An entry that means nothing here, or that a managed lock makes useless.
pub fn of(said: &Said, wanted: &Import, everywhere: bool, prepared: &Prepared) -> Result<Item, Stop> {
    let mut item = Item {
        line: said.line,
        key: said.key.clone(),
        shown: String::new(),
        becomes: Becomes::Needless(""),
        but: None,
        dangerous: None,
    };
    let wish = |effect, kind, entry: &str| Wish {
        effect,
        kind,
        entry: entry.to_owned(),
        place: wanted.place,
        remove: false,
        dry_run: wanted.dry_run,
        force: wanted.force,
    };
    let entry = |effect, kind, text: &str| -> Result<Becomes, Stop> {
        let entry = sense::read(&wish(effect, kind, text), prepared)?;
        let key = entry.keys.first().map(|key| key.iter().map(|part| (*part).to_owned()).collect());
        Ok(Becomes::Entry { key: key.unwrap_or_default(), form: entry.form, text: entry.text })
    };
    let nothing = |why: &str| Becomes::Nothing(why.to_owned());
    match (said.key.as_str(), &said.what) {
        (_, What::Unknown) => item.becomes = nothing("sandbox-runtime 0.0.78 has no such key"),
        (key, What::Entry(text)) => {
            item.shown.clone_from(text);
            let relative = !text.starts_with(['/', '~']);
            item.becomes = match key {
                "network.allowedDomains" => entry(Effect::Allow, EntryKind::Domain, text)?,
                "network.deniedDomains" => entry(Effect::Deny, EntryKind::Domain, text)?,
                "network.deniedResolvedAddresses" => {
                    item.but = Some("here that also refuses connections to the address itself");
                    entry(Effect::Deny, EntryKind::Domain, text)?
                }
                "network.allowUnixSockets" => {
                    item.dangerous =
                        Some("srt opens it on macOS only; here it is opened, and is what its server is");
                    entry(Effect::Allow, EntryKind::Socket, text)?
                }
                "filesystem.allowWrite" if is_here(text) => {
                    Becomes::Needless("the working root can be written anyway")
                }
                "filesystem.allowRead" if is_here(text) && everywhere => nothing(ELSEWHERE),
                "filesystem.allowWrite" | "filesystem.allowRead" if relative && everywhere => {
                    nothing(ELSEWHERE)
                }
                "filesystem.denyWrite" if relative && everywhere => rule("Edit", text)?,
                "filesystem.denyRead" if relative && everywhere => rule("Read", text)?,
                "filesystem.allowWrite" => {
                    item.but = pattern(text).then_some("srt skips this pattern on Linux; here it counts");
                    entry(Effect::Allow, EntryKind::Write, text)?
                }
                "filesystem.allowRead" => entry(Effect::Allow, EntryKind::Read, text)?,
                "filesystem.denyWrite" => entry(Effect::Deny, EntryKind::Write, text)?,
                "filesystem.denyRead" => {
                    item.but = Some("here it cannot be written either");
                    entry(Effect::Deny, EntryKind::Read, text)?
                }
                _ => nothing("it has no equivalent"),
            };
        }
        (key, What::Switch(on)) => {
            item.shown = on.to_string();
            let single = |key: &[&str]| Becomes::Single { key: keys(key), value: Value::Bool(*on) };
            item.becomes = match (key, on) {
                ("network.strictAllowlist", true) => single(&["sandbox", "network", "strictAllowlist"]),
                (_, false) => Becomes::Needless("that is so anyway"),
                ("network.allowAllUnixSockets", true) => {
                    item.dangerous = Some("every socket of this machine can be spoken to then");
                    single(&["sandbox", "network", "allowAllUnixSockets"])
                }
                ("filesystem.allowGitConfig", true) => {
                    item.dangerous =
                        Some("a repository's configuration can name programs that git runs outside");
                    single(&["sandbox", "filesystem", "allowGitConfig"])
                }
                ("enableWeakerNestedSandbox", true) => {
                    item.dangerous = Some("it weakens the boundary; sbsh needs it in fewer places");
                    single(&["sandbox", "enableWeakerNestedSandbox"])
                }
                ("network.allowLocalBinding", true) => nothing(
                    "listening inside is always possible; the key of that name joins the loopbacks here, which is more",
                ),
                ("filesystem.disabled", true) => nothing("files are always confined here"),
                ("credentials.allowPlaintextInject", true) => {
                    nothing("credentials are not put into requests here")
                }
                ("allowPty", true) => Becomes::Needless("terminals inside are always possible"),
                _ => nothing(MACOS),
            };
        }
        (key, What::Port(port)) => {
            item.shown = port.to_string();
            item.but = Some("here it carries what sbsh allowed, and does not decide itself");
            let name = key.rsplit('.').next().unwrap_or(key);
            item.becomes =
                Becomes::Single { key: keys(&["sandbox", "network", name]), value: Value::from(*port) };
        }
        (_, What::Named(name, text)) => {
            item.shown = format!("{name}: {text}");
            item.becomes = Becomes::Entry {
                key: keys(&["sandbox", "ignoreViolations", name]),
                form: Form::Text,
                text: text.clone(),
            };
        }
        (key, What::Credential(name, masked)) => {
            item.shown.clone_from(name);
            item.but = masked.then_some("credentials are not masked here: it is denied");
            let file = key == "credentials.files";
            item.becomes = match file && everywhere && !name.starts_with(['/', '~']) {
                true => rule("Read", name)?,
                false if file => entry(Effect::Deny, EntryKind::CredentialFile, name)?,
                false => entry(Effect::Deny, EntryKind::CredentialVariable, name)?,
            };
        }
        (key, What::Other) => item.becomes = nothing(why_not(key)),
    }
    Ok(item)
}

fn keys(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Whether a path is the directory in which a command is started.
fn is_here(text: &str) -> bool {
    matches!(text.trim_end_matches("/**").trim_end_matches('/'), "." | "**")
}

/// Whether a path to be written holds what srt skips on Linux.
fn pattern(text: &str) -> bool {
    text.trim_end_matches("/**").contains(['*', '?', '['])
}

/// A denial that is relative to wherever a command is started, as a rule.
fn rule(tool: &str, text: &str) -> Result<Becomes, Stop> {
    if text.chars().any(char::is_control) || text.contains(['(', ')']) {
        return Err(Stop::Failed(format!("'{}' cannot be said by a rule", text.escape_debug()), exit::USAGE));
    }
    let text = text.trim_start_matches("./");
    Ok(Becomes::Entry {
        key: keys(&["permissions", "deny"]),
        form: Form::Text,
        text: format!("{tool}(./{text})"),
    })
}

/// Of what nobody looked into.
fn why_not(key: &str) -> &'static str {
    match key {
        "network.deniedDomainReasons" => "reasons of one's own are not told here",
        "network.mitmProxy" => {
            "no proxy is chosen by domain here; network.caCertificates has what programs must trust behind one"
        }
        "network.parentProxy" => "the caller's HTTPS_PROXY is used",
        "network.tlsTerminate" | "network.filterRequest" => NOT_OPENED,
        "network.allowMachLookup" => MACOS,
        "credentials.awsPairs" | "credentials.sigv4" => "credentials are not put into requests here",
        "bwrapPath" => "only an administrator's settings say where bubblewrap is",
        "windows" => "it is about Windows alone",
        "git" => "git is given no settings here",
        "mandatoryDenySearchDepth" => "protected names are not searched for: they cannot be made",
        _ => BUILT_IN,
    }
}
