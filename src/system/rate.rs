//! How many of something a person is troubled with: so many at once, and one more each half minute. Owns the counting; decides
//! nothing.

use std::time::{Duration, Instant};

/// The time after which one is forgotten: a session goes on for days, and a flood is one all the same.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// A count that goes down with time.
#[derive(Debug)]
pub struct Rate {
    spent: usize,
    since: Instant,
}

impl Default for Rate {
    fn default() -> Rate {
        Rate { spent: 0, since: Instant::now() }
    }
}

impl Rate {
    /// How many count now.
    pub fn spent(&self) -> usize {
        self.spent_at(Instant::now())
    }

    fn spent_at(&self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.since).as_secs() / FORGOTTEN.as_secs();
        self.spent.saturating_sub(usize::try_from(passed).unwrap_or(usize::MAX))
    }

    /// One more.
    pub fn count(&mut self) {
        let now = Instant::now();
        let spent = self.spent_at(now);
        // The half minutes go on from where they were; with nothing spent they begin.
        if spent == 0 {
            self.since = now;
        } else {
            let forgotten = u32::try_from(self.spent - spent).unwrap_or(u32::MAX);
            self.since += FORGOTTEN.saturating_mul(forgotten);
        }
        self.spent = spent + 1;
    }

    /// One less: nobody was troubled.
    pub fn uncount(&mut self) {
        self.spent = self.spent.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_forgotten_each_half_minute() {
        let mut rate = Rate::default();
        (0..5).for_each(|_| rate.count());
        let later = |seconds| rate.since + Duration::from_secs(seconds);
        assert_eq!(
            [later(0), later(29), later(30), later(65), later(9999)].map(|at| rate.spent_at(at)),
            [5, 5, 4, 3, 0]
        );
        rate.uncount();
        assert_eq!(rate.spent(), 4);
    }
}
