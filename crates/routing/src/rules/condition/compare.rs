use std::ops::Range;

use super::super::diagnostic::Diagnostic;
use super::super::source::Reader;

/// `>= 5`: a comparison with a number of whatever unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    order: Order,
    than: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AtLeast,
    MoreThan,
    AtMost,
    LessThan,
}

/// The longer first: `>` begins `>=`.
const ORDERS: [(&str, Order); 4] =
    [(">=", Order::AtLeast), ("<=", Order::AtMost), (">", Order::MoreThan), ("<", Order::LessThan)];

impl Comparison {
    /// Reads an order and what `number` makes of the rest; says what is wrong.
    pub(super) fn read(
        key: &str,
        text: &str,
        span: Range<usize>,
        example: &str,
        reader: &mut Reader<'_>,
        number: impl FnOnce(&str) -> Result<i64, String>,
    ) -> Option<Self> {
        let expected = format!("expected a comparison such as \"{example}\"");
        let trimmed = text.trim();
        let found =
            ORDERS.iter().find_map(|(sign, order)| Some((*order, trimmed.strip_prefix(sign)?.trim())));
        let Some((order, rest)) = found else {
            let message = format!("`{key}`: `{}` compares with nothing", text.escape_debug());
            reader.say(
                Diagnostic::error(span, message).label(expected).hint("one of >= > <= <, then a number"),
            );
            return None;
        };
        match number(rest) {
            Ok(than) => Some(Self { order, than }),
            Err(why) => {
                reader.say(Diagnostic::error(span, format!("`{key}`: {why}")).label(expected));
                None
            }
        }
    }

    pub(super) fn holds(self, number: i64) -> bool {
        match self.order {
            Order::AtLeast => number >= self.than,
            Order::MoreThan => number > self.than,
            Order::AtMost => number <= self.than,
            Order::LessThan => number < self.than,
        }
    }

    /// Whether every number for which `other` holds is one for which this does.
    pub(super) fn covers(self, other: Self) -> bool {
        let ((low, high), (its_low, its_high)) = (self.bounds(), other.bounds());
        low <= its_low && its_high <= high
    }

    /// The least and the greatest number for which it holds.
    fn bounds(self) -> (i64, i64) {
        match self.order {
            Order::AtLeast => (self.than, i64::MAX),
            Order::MoreThan => (self.than.saturating_add(1), i64::MAX),
            Order::AtMost => (i64::MIN, self.than),
            Order::LessThan => (i64::MIN, self.than.saturating_sub(1)),
        }
    }
}
