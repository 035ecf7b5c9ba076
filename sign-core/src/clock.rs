//! Time as the caller sees it. Nothing in this crate asks the system clock by itself.

use std::fmt;

use jiff::Timestamp;

/// Tells the current time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for std::sync::Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that stands still, for tests and for verifying as of a moment.
#[derive(Debug, Clone, Copy)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A closed interval; the end may be open.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
}

impl Window {
    pub(crate) fn contains(self, time: Timestamp) -> bool {
        time >= self.start && self.end.is_none_or(|end| time <= end)
    }

    /// From `start` on.
    #[cfg(test)]
    pub(crate) fn open(start: Timestamp) -> Self {
        Self { start, end: None }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            Some(end) => write!(f, "{} to {end}", self.start),
            None => write!(f, "from {}", self.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_closed_intervals() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let window = Window { start: at(10), end: Some(at(20)) };
        assert_eq!([9, 10, 20, 21].map(|second| window.contains(at(second))), [false, true, true, false]);
    }
}
