//! What programs turned on in the terminal and have not turned off again: the alternate screen, a hidden cursor, keys and
//! mouse that are told otherwise.
//!
//! Owns knowing it from what they write, and what puts the terminal back. Pure. Names are xterm's (its control sequences).

/// Modes that are off in a terminal as a person has it (DECSET), and would be in the way at a prompt: cursor keys,
/// reverse video, origin, the mouse, focus, the alternate screen, marked pastes, and output that is held.
const OFF: [u16; 19] =
    [1, 5, 6, 9, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 47, 1047, 1049, 2004, 2026, 2031];
/// Those that are on: lines wrap, the cursor is seen.
const ON: [u16; 2] = [7, 25];
/// The alternate screen.
const WHOLE_SCREEN: [u16; 3] = [47, 1047, 1049];

/// More of one sequence is not kept: it is none of these.
const LONGEST: usize = 64;

/// Where in a sequence the output is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Text,
    Escape,
    /// Behind `ESC (`.
    Characters,
    /// Behind `ESC [`, with what has come of it.
    Control(Vec<u8>),
}

/// What differs from a terminal as a person has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Modes {
    place: Place,
    /// Modes of [`OFF`] that are on, and of [`ON`] that are off.
    changed: Vec<u16>,
    /// The keypad sends sequences.
    keypad: bool,
    /// Letters are line drawings.
    drawings: bool,
    /// Only a part of the screen scrolls.
    region: bool,
    /// Keys with modifiers send sequences (modifyOtherKeys).
    modified_keys: bool,
    /// How often kitty's keyboard protocol was pushed.
    pushed_keys: u16,
}

impl Modes {
    /// Whether a program has the whole screen to itself.
    pub fn is_whole_screen(&self) -> bool {
        self.changed.iter().any(|mode| WHOLE_SCREEN.contains(mode))
    }

    /// Follows what is shown.
    pub fn see(&mut self, shown: &[u8]) {
        let mut rest = shown;
        while let Some((&byte, after)) = rest.split_first() {
            rest = match std::mem::take(&mut self.place) {
                Place::Text if !rest.contains(&b'\x1b') => return,
                Place::Text => match rest.iter().position(|&byte| byte == b'\x1b') {
                    Some(at) => {
                        self.place = Place::Escape;
                        rest.get(at + 1..).unwrap_or_default()
                    }
                    None => return,
                },
                Place::Escape => {
                    self.escape(byte);
                    after
                }
                Place::Characters => {
                    self.drawings = byte == b'0';
                    after
                }
                Place::Control(parameters) => {
                    self.control(parameters, byte);
                    after
                }
            };
        }
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'[' => self.place = Place::Control(Vec::new()),
            b'(' => self.place = Place::Characters,
            b'\x1b' => self.place = Place::Escape,
            b'=' => self.keypad = true,
            b'>' => self.keypad = false,
            b'c' => *self = Modes::default(),
            _ => {}
        }
    }

    fn control(&mut self, mut parameters: Vec<u8>, byte: u8) {
        match byte {
            b'\x1b' => self.place = Place::Escape,
            // Cancelled.
            0x18 | 0x1a => {}
            // Controls within a sequence are obeyed at once.
            0..0x20 => self.place = Place::Control(parameters),
            0x20..0x40 => {
                if parameters.len() < LONGEST {
                    parameters.push(byte);
                }
                self.place = Place::Control(parameters);
            }
            _ => self.obey(&parameters, byte),
        }
    }

    fn obey(&mut self, parameters: &[u8], last: u8) {
        let text = std::str::from_utf8(parameters).unwrap_or_default();
        match (text.split_at_checked(1), last) {
            (Some(("?", modes)), b'h' | b'l') => {
                modes
                    .split(';')
                    .filter_map(|mode| mode.parse().ok())
                    .for_each(|mode| self.set(mode, last == b'h'));
            }
            (Some((">", keys)), b'm') if keys == "4" || keys.starts_with("4;") => {
                self.modified_keys = !matches!(keys, "4" | "4;" | "4;0");
            }
            (Some((">", _)), b'u') => self.pushed_keys = self.pushed_keys.saturating_add(1),
            (Some(("<", count)), b'u') => {
                self.pushed_keys = self.pushed_keys.saturating_sub(count.parse().unwrap_or(1).max(1));
            }
            (Some(("!", "")), b'p') => *self = Modes::default(),
            (None, b'r') => self.region = false,
            (Some((first, _)), b'r') if first != "?" => self.region = true,
            _ => {}
        }
    }

    fn set(&mut self, mode: u16, on: bool) {
        if OFF.contains(&mode) && on || ON.contains(&mode) && !on {
            if !self.changed.contains(&mode) {
                self.changed.push(mode);
            }
        } else {
            self.changed.retain(|changed| *changed != mode);
        }
    }

    /// What puts the terminal back; from then on nothing is changed. Where nothing was changed, it is empty.
    pub fn undo(&mut self) -> Vec<u8> {
        let modes = std::mem::take(self);
        let mut undo = String::new();
        for mode in &modes.changed {
            undo += &format!("\x1b[?{mode}{}", if ON.contains(mode) { 'h' } else { 'l' });
        }
        let others = [
            (modes.keypad, "\x1b>".to_owned()),
            (modes.drawings, "\x1b(B".to_owned()),
            (modes.modified_keys, "\x1b[>4m".to_owned()),
            // Where the cursor is stays.
            (modes.region, "\x1b7\x1b[r\x1b8".to_owned()),
            (modes.pushed_keys > 0, format!("\x1b[<{}u", modes.pushed_keys)),
        ];
        others.into_iter().filter(|(changed, _)| *changed).for_each(|(_, sequence)| undo += &sequence);
        undo.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(shown: &str) -> Modes {
        let mut modes = Modes::default();
        modes.see(shown.as_bytes());
        modes
    }

    fn undone(shown: &str) -> String {
        String::from_utf8(after(shown).undo()).unwrap()
    }

    #[test]
    fn a_program_with_the_whole_screen_is_known() {
        assert!(after("x\x1b[?1049h\x1b[H").is_whole_screen());
        assert!(after("\x1b[?1;1049h").is_whole_screen());
        assert!(!after("\x1b[?1049h text \x1b[?1049l$ ").is_whole_screen());
        assert!(!after("\x1b[?1049h\x1bc").is_whole_screen());
        assert!(!after("\x1b[?1049$p\x1b[?25h\x1b]0;[?1049h\x07").is_whole_screen());
    }

    #[test]
    fn what_was_left_is_undone_and_nothing_else() {
        let vi =
            "\x1b[?1006;1000h\x1b[?1002h\x1b[?1049h\x1b[>4;2m\x1b[?1h\x1b=\x1b[?2004h\x1b[1;24r\x1b[?25l";
        assert_eq!(
            undone(vi),
            "\x1b[?1006l\x1b[?1000l\x1b[?1002l\x1b[?1049l\x1b[?1l\x1b[?2004l\x1b[?25h\x1b>\x1b[>4m\x1b7\x1b[r\x1b8"
        );
        let left =
            format!("{vi}\x1b[>4;m\x1b[r\x1b[?2004l\x1b[?1l\x1b>\x1b[?1002;1006;1000l\x1b[?1049l\x1b[?25h");
        assert_eq!(undone(&left), "");
        assert_eq!(undone("\x1b[31mred \x1b[2J\x1b[?12h\x1b(B"), "");
        assert_eq!(undone("\x1b(0\x1b[>1u\x1b[>1u\x1b[<u\x1b[?7l"), "\x1b[?7h\x1b(B\x1b[<1u");
        let mut modes = after("\x1b[?25l");
        assert_eq!((modes.undo(), modes.undo()), (b"\x1b[?25h".to_vec(), Vec::new()));
    }

    #[test]
    fn sequences_that_are_cut_short_or_endless_are_none() {
        assert_eq!(undone("\x1b[?25\x18l\x1b[?25\x1b[?7"), "");
        assert_eq!(undone("\x1b[?2\n5l"), "\x1b[?25h");
        assert_eq!(undone(&format!("\x1b[?{}h", "1049;".repeat(100))), "\x1b[?1049l");
        assert_eq!(undone("\x1b[?99999h"), "");
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(text in "[\x1b\\[?0-9;hlr=(>c ]{0,40}", size in 1usize..7) {
            let mut modes = Modes::default();
            text.as_bytes().chunks(size).for_each(|piece| modes.see(piece));
            prop_assert_eq!(modes, after(&text));
        }

        #[test]
        fn what_undoes_is_understood(text in "[\x1b\\[?0-9;hlr=(>c ]{0,40}") {
            let undo = after(&text).undo();
            let mut modes = after(&text);
            modes.see(b"\x18");
            modes.see(&undo);
            prop_assert_eq!(modes.undo(), b"");
        }
    }
}
