/// What follows from a seed: the same every time.
#[derive(Debug, Clone)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).expect("small")]
    }
}

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |value| value.parse().expect("a number"))
}

/// The octets of a message, all of which follow from its number.
pub(crate) fn message(number: u64) -> Vec<u8> {
    let mut chance = Chance(number);
    let octets = if number % 17 == 5 { 20_000 + chance.below(150_000) } else { chance.below(3_000) };
    let mut message = format!("X-Number: {number}\r\nSubject: team\r\n\r\n").into_bytes();
    let mut line = 0_u64;
    while (message.len() as u64) < octets {
        message.extend_from_slice(
            format!(".{number:08x} {line:08x} {:08x}\r\n", chance.below(1 << 31)).as_bytes(),
        );
        line += 1;
    }
    message
}

/// The number of a message, from its octets.
pub(crate) fn number_of(octets: &[u8]) -> u64 {
    let mark = b"X-Number: ";
    let at = octets.windows(mark.len()).position(|part| part == mark).expect("a number") + mark.len();
    let digits: String =
        octets[at..].iter().map(|octet| char::from(*octet)).take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}
