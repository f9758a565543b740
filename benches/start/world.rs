//! Homes and projects to measure in, below one temporary directory.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory that holds all of them; removed at the end.
pub struct World(tempfile::TempDir);

impl World {
    /// An empty one.
    pub fn new() -> Result<World, String> {
        tempfile::Builder::new().prefix("sbsh-bench-").tempdir().map(World).map_err(|e| e.to_string())
    }

    fn directory(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.0.path().join(name);
        fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(path)
    }

    /// A project with so many files in one directory.
    pub fn flat(&self, files: usize) -> Result<PathBuf, String> {
        let path = self.directory(&format!("flat-{files}"))?;
        fill(&path, files).map_err(|e| e.to_string())?;
        Ok(path)
    }

    /// A project whose directories branch tenfold and hold ten files each at the bottom: 10^(levels + 1) files.
    pub fn deep(&self, levels: u32) -> Result<PathBuf, String> {
        let path = self.directory(&format!("deep-{levels}"))?;
        branch(&path, levels).map_err(|e| e.to_string())?;
        Ok(path)
    }

    /// A home with these settings (none: without a settings file).
    pub fn home(&self, name: &str, settings: Option<&serde_json::Value>) -> Result<OsString, String> {
        let home = self.directory(name)?;
        if let Some(settings) = settings {
            let directory = self.directory(&format!("{name}/.claude"))?;
            let text = format!("{settings:#}");
            fs::write(directory.join("settings.json"), text).map_err(|e| e.to_string())?;
        }
        Ok(home.into_os_string())
    }

    /// Settings with so many permission rules: deny, ask and allow in turn.
    pub fn rules(count: usize) -> serde_json::Value {
        let list = |of: usize| -> Vec<String> {
            (of..count)
                .step_by(3)
                .map(|i| match i % 4 {
                    0 => format!("Bash(npm run task-{i} --*:*)"),
                    1 => format!("Bash(tool{i} * --now {i})"),
                    2 => format!("Bash(make the-target-number-{i})"),
                    _ => format!("Bash(git push remote{i}:*)"),
                })
                .collect()
        };
        serde_json::json!({ "permissions": { "deny": list(0), "ask": list(1), "allow": list(2) } })
    }

    /// Settings that want this backend.
    pub fn backend(name: &str) -> serde_json::Value {
        serde_json::json!({ "sandbox": { "backend": name } })
    }

    /// Settings with so many unreadable files, which are made.
    pub fn unreadable(&self, count: usize) -> Result<serde_json::Value, String> {
        let directory = self.directory("secrets")?;
        fill(&directory, count).map_err(|e| e.to_string())?;
        let paths: Vec<PathBuf> = (0..count).map(|i| directory.join(file_name(i))).collect();
        Ok(serde_json::json!({ "sandbox": { "filesystem": { "denyRead": paths } } }))
    }
}

fn file_name(index: usize) -> String {
    format!("file-{index}.txt")
}

fn fill(directory: &Path, files: usize) -> io::Result<()> {
    (0..files).try_for_each(|index| fs::write(directory.join(file_name(index)), ""))
}

fn branch(directory: &Path, levels: u32) -> io::Result<()> {
    if levels == 0 {
        return fill(directory, 10);
    }
    for index in 0..10 {
        let below = directory.join(format!("part-{index}"));
        fs::create_dir(&below)?;
        branch(&below, levels - 1)?;
    }
    Ok(())
}
