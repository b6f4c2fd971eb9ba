use restante_tests::{Appliance, Setup};

/// Starts the appliance as it is shipped, but for the limits that a benchmark would run into at once.
pub(crate) fn start(mailboxes: &[String]) -> Appliance {
    let names: Vec<&str> = mailboxes.iter().map(String::as_str).collect();
    Appliance::with(Setup {
        machine: "trusted = [\"127.0.0.0/8\"]".into(),
        smtp_limits: "connections = 10000\nmessages = 1000000\nsession-time = \"1 h\"".into(),
        tables: "[limits]\nquota = \"none\"\n".into(),
        ..Setup::of(&names)
    })
}
