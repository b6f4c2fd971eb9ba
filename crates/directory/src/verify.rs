/// How passwords are verified.
#[derive(Clone, Default)]
pub struct VerifierParams {}
