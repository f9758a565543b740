//! `sbshctl approve`: the approver console in this terminal. Never from inside.

use super::only_outside;
use crate::approval::console::{self, Desk};
use crate::approval::{self, Terminal};
use crate::caller::Caller;
use crate::exit;
use crate::pipeline::Stop;

/// Answers questions until the person leaves.
///
/// # Errors
/// From inside; without a terminal; when another console is open.
pub fn run(caller: &Caller) -> Result<i32, Stop> {
    only_outside("approve")?;
    let failed = |text: String| Stop::Failed(text, exit::REFUSED);
    let colours = approval::colours(caller.variable("NO_COLOR"), caller.variable("TERM"));
    let terminal = Terminal::of_caller(colours)
        .ok_or_else(|| failed("the approver console needs a terminal, in its foreground".into()))?;
    let desk = Desk::open().map_err(|error| failed(error.to_string()))?;
    console::attend(desk, &terminal).map_err(|error| failed(format!("the terminal failed: {error}")))?;
    Ok(0)
}
