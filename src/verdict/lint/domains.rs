//! Findings about domains: where what is read inside could be sent to. Pure.

use super::{Finding, Severity, is_written};
use crate::policy::network::entry::Reach;
use crate::policy::{DomainSet, NetworkPolicy};
use crate::settings::Sourced;

/// Hosts at which anybody may have a place to receive data; what kind of place.
const OPEN_TO_ALL: &[(&str, &[&str])] = &[
    (
        "anybody can have a repository, a gist or an issue there to send data to",
        &[
            "github.com",
            "api.github.com",
            "gist.github.com",
            "uploads.github.com",
            "gitlab.com",
            "bitbucket.org",
            "codeberg.org",
            "git.sr.ht",
            "dev.azure.com",
            "huggingface.co",
        ],
    ),
    (
        "anybody can paste data there and read it from elsewhere",
        &[
            "pastebin.com",
            "paste.rs",
            "hastebin.com",
            "dpaste.com",
            "dpaste.org",
            "0x0.st",
            "ix.io",
            "termbin.com",
            "transfer.sh",
            "file.io",
            "catbox.moe",
            "gofile.io",
            "rentry.co",
            "controlc.com",
        ],
    ),
    (
        "anybody can have a bucket of cloud storage there",
        &[
            "s3.amazonaws.com",
            "*.s3.amazonaws.com",
            "*.s3.us-east-1.amazonaws.com",
            "storage.googleapis.com",
            "*.storage.googleapis.com",
            "firebasestorage.googleapis.com",
            "*.blob.core.windows.net",
            "*.file.core.windows.net",
            "*.r2.dev",
            "*.r2.cloudflarestorage.com",
            "*.digitaloceanspaces.com",
            "*.backblazeb2.com",
            "*.wasabisys.com",
            "*.linodeobjects.com",
            "*.supabase.co",
        ],
    ),
    (
        "anybody can run a server under such a name",
        &[
            "webhook.site",
            "*.webhook.site",
            "*.requestbin.com",
            "*.ngrok.io",
            "*.ngrok.app",
            "*.ngrok-free.app",
            "*.trycloudflare.com",
            "*.loca.lt",
            "*.workers.dev",
            "*.pages.dev",
            "*.vercel.app",
            "*.netlify.app",
            "*.herokuapp.com",
            "*.onrender.com",
            "*.fly.dev",
            "*.railway.app",
            "*.azurewebsites.net",
            "*.cloudfunctions.net",
            "*.run.app",
            "*.web.app",
            "*.firebaseio.com",
            "*.cloudfront.net",
            "*.execute-api.us-east-1.amazonaws.com",
            "*.lambda-url.us-east-1.on.aws",
            "*.github.io",
            "*.glitch.me",
            "*.repl.co",
            "*.oastify.com",
            "*.oast.fun",
            "*.burpcollaborator.net",
        ],
    ),
    (
        "messages and files for anybody can be left there",
        &[
            "slack.com",
            "hooks.slack.com",
            "files.slack.com",
            "discord.com",
            "discordapp.com",
            "api.telegram.org",
            "www.dropbox.com",
            "api.dropboxapi.com",
            "content.dropboxapi.com",
            "drive.google.com",
            "docs.google.com",
            "www.googleapis.com",
            "api.notion.com",
            "api.trello.com",
        ],
    ),
];

/// Where clouds tell a machine its credentials.
const METADATA: &[&str] =
    &["169.254.169.254", "fd00:ec2::254", "metadata.google.internal", "100.100.100.200"];

pub(super) fn findings(network: &NetworkPolicy) -> Vec<Finding> {
    let allowed = read(&network.allowed);
    let mut all = hidden(&allowed, &read(&network.denied));
    let metadata: Vec<Reach> = METADATA.iter().filter_map(|name| Reach::of(name)).collect();
    let open = open_to_all();
    for (entry, reach) in allowed.iter().filter(|(entry, _)| is_written(&entry.origin)) {
        // A port, as in github.com:443, changes nothing about what is there.
        let reach = reach.at_every_port();
        let found = |severity, kind, why: String, advice: &str| {
            Finding::new(severity, kind, &entry.value, &entry.origin, why, advice)
        };
        if metadata.iter().any(|known| reach.covers(known)) {
            let why = "reaches the machine's metadata service, which hands out its credentials".to_owned();
            all.push(found(Severity::Danger, "metadata", why, "take it back"));
        } else if let Some((name, _, what)) = open.iter().find(|(_, known, _)| opens(&reach, known)) {
            let also = if *name == entry.value { String::new() } else { format!(" (as with {name})") };
            let why = format!("lets data out: {what}{also}");
            let advice = "take it back and answer the question when it is needed, or allow one narrower name";
            all.push(found(Severity::Warning, "exfiltration", why, advice));
        }
    }
    if network.local_binding.value && is_written(&network.local_binding.origin) {
        let why = "reaches everything that listens on this machine's loopback: databases, editors, browsers' debuggers";
        let advice = "allow the ports that are needed instead, as in localhost:5432";
        let origin = &network.local_binding.origin;
        let entry = "network.allowLocalBinding";
        all.push(Finding::new(Severity::Warning, "loopback", entry, origin, why, advice));
    }
    for entry in network.unchecked_names.entries().iter().filter(|entry| is_written(&entry.origin)) {
        let why = "may be told one name and asked for another: what it serves for others is reachable, too";
        let advice = "remove it if programs connect without it";
        all.push(Finding::new(Severity::Note, "unchecked-name", &entry.value, &entry.origin, why, advice));
    }
    all
}

fn read(set: &DomainSet) -> Vec<(&Sourced<String>, Reach)> {
    set.entries().iter().filter_map(|entry| Some((entry, Reach::of(&entry.value)?))).collect()
}

/// Why a host lets data out, if it is one of those.
pub(super) fn open(host: &str) -> Option<&'static str> {
    let reach = Reach::of(host)?;
    open_to_all().into_iter().find(|(_, known, _)| known.covers(&reach)).map(|(_, _, what)| what)
}

fn open_to_all() -> Vec<(&'static str, Reach, &'static str)> {
    let named = OPEN_TO_ALL.iter().flat_map(|(what, names)| names.iter().map(move |name| (*name, *what)));
    named.filter_map(|(name, what)| Some((name, Reach::of(name)?, what))).collect()
}

/// Whether an entry opens such a host, or more than one customer's place below a shared name: one bucket is somebody's
/// own.
fn opens(reach: &Reach, known: &Reach) -> bool {
    reach.covers(known) || (reach.is_wide() && known.covers(reach))
}

fn hidden(allowed: &[(&Sourced<String>, Reach)], denied: &[(&Sourced<String>, Reach)]) -> Vec<Finding> {
    let mut all = Vec::new();
    for (index, (entry, own)) in
        allowed.iter().enumerate().filter(|(_, (entry, _))| is_written(&entry.origin))
    {
        if let Some((deny, over)) = denied.iter().find(|(_, over)| over.covers(own)) {
            let kind = if own.covers(over) { "contradictory" } else { "unreachable" };
            let why = format!("never counts: '{}' is denied ({})", deny.value, deny.origin);
            let advice = "remove one of the two";
            all.push(Finding::new(Severity::Warning, kind, &entry.value, &entry.origin, why, advice));
            continue;
        }
        let broader = allowed.iter().enumerate().find(|(place, (_, other))| {
            *place != index && other.covers(own) && (*place < index || !own.covers(other))
        });
        if let Some((_, (other, _))) = broader {
            let why = format!("adds nothing to '{}' ({})", other.value, other.origin);
            let advice = "remove it, or the broader one";
            all.push(Finding::new(Severity::Note, "redundant", &entry.value, &entry.origin, why, advice));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::super::tests::{kinds, one};

    fn domains(allowed: &str, denied: &str) -> Vec<(String, String)> {
        let text = format!(
            r#"{{"sandbox": {{"allowedDomains": [{allowed}], "network": {{"deniedDomains": [{denied}]}}}}}}"#
        );
        kinds(&text, &Facts::default())
    }

    #[test]
    fn where_anybody_can_receive_data() {
        for entry in [
            "github.com",
            "*.github.com",
            "github.com:443",
            "GitHub.com",
            "pastebin.com",
            "*.s3.amazonaws.com",
            "*.amazonaws.com",
            "*.googleapis.com",
            "*.blob.core.windows.net",
            "*.x.s3.amazonaws.com",
            "webhook.site",
        ] {
            assert_eq!(domains(&format!("\"{entry}\""), ""), [one("exfiltration", entry)], "{entry}");
        }
        for entry in
            ["registry.npmjs.org", "my-bucket.s3.amazonaws.com", "docs.rs", "*.example.com", "me.github.io"]
        {
            assert_eq!(domains(&format!("\"{entry}\""), ""), [], "{entry}");
        }
        assert_eq!(domains("\"169.254.169.254\"", ""), [one("metadata", "169.254.169.254")]);
        assert_eq!(domains("\"169.254.0.0/16\"", ""), [one("metadata", "169.254.0.0/16")]);
    }

    #[test]
    fn entries_that_never_decide() {
        assert_eq!(
            domains("\"a.com\", \"x.b.com\", \"c.com\"", "\"a.com\", \"*.b.com\", \"c.com:22\""),
            [one("contradictory", "a.com"), one("unreachable", "x.b.com")]
        );
        assert_eq!(domains("\"x.a.com\", \"*.a.com\", \"*.a.com\"", "").len(), 2);
    }
}
