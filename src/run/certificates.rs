//! Certificate authorities of an enterprise (`network.caCertificates`), for programs inside.
//!
//! Owns one file with the system's authorities and the settings' ones, in the user's private directory, and the
//! variables by which programs find it. Must not judge certificates.

use super::RunError;
use crate::system::visible::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Where distributions keep the system's bundle.
const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What names a file of all authorities, by the programs that read it: OpenSSL, curl, Python's requests, git, pip,
/// cargo, the AWS tools, Deno.
const WHOLE: &[&str] = &[
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
];

/// The variables, with the file made. `private` is a directory that only this user writes, and nothing inside.
///
/// # Errors
/// The settings' file cannot be read, or the joined one not be written.
pub fn variables(extra: &Path, private: &Path) -> Result<Vec<(&'static str, PathBuf)>, RunError> {
    let text = fs::read(extra).map_err(|error| RunError::System {
        verb: "read network.caCertificates",
        cause: format!("'{}': {error}", extra.display()),
    })?;
    let system = SYSTEM.iter().find_map(|path| fs::read(path).ok()).unwrap_or_default();
    let joined = [system.as_slice(), b"\n", &text].concat();
    // Named by its content: the file of a command that runs beside, in a project with other authorities, stays.
    let sum = hex(Sha256::digest(&joined).get(..8).unwrap_or_default());
    let file = private.join(format!("authorities-{sum}.pem"));
    if fs::read(&file).ok().as_ref() != Some(&joined) {
        // By another name first: a command that runs beside must never read half of it.
        let written = tempfile_in(private, &joined).and_then(|new| fs::rename(new, &file));
        written.map_err(RunError::system("write the certificate authorities"))?;
    }
    let mut all: Vec<_> = WHOLE.iter().map(|name| (*name, file.clone())).collect();
    // Node adds to its own.
    all.push(("NODE_EXTRA_CA_CERTS", extra.into()));
    Ok(all)
}

fn tempfile_in(private: &Path, content: &[u8]) -> std::io::Result<PathBuf> {
    let path = private.join(format!("authorities.{}", std::process::id()));
    let mut file = fs::File::create(&path)?;
    file.write_all(content)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_joined_file_ends_with_what_settings_name_and_another_projects_stays_as_it_is() {
        let top = tempfile::tempdir().unwrap();
        let extra = top.path().join("corp.pem");
        let mut files = Vec::new();
        for text in ["one", "two", "one"] {
            fs::write(&extra, text).unwrap();
            let variables = variables(&extra, top.path()).unwrap();
            let (_, file) = variables.iter().find(|(name, _)| *name == "SSL_CERT_FILE").unwrap().clone();
            files.push((file, text));
        }
        for (file, text) in &files {
            assert!(fs::read_to_string(file).unwrap().ends_with(&format!("\n{text}")));
        }
        assert!(variables(&top.path().join("none"), top.path()).is_err());
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 3);
    }
}
