use restante_tests::{Appliance, Setup};

/// Starts the appliance as it is shipped, but for the limits that a benchmark would run into at once.
pub(crate) fn start(mailboxes: &[String]) -> Appliance {
    Appliance::with(setup(mailboxes, ""))
}

/// The same with another `mailboxes.toml`.
pub(super) fn start_with(mailboxes: String) -> Appliance {
    Appliance::with(Setup { mailboxes, ..setup(&["m1".into()], "") })
}

/// Writes its files, with keys of `[store]`.
pub(crate) fn prepare(mailboxes: &[String], store: &str) -> Appliance {
    Appliance::prepare(setup(mailboxes, store))
}

fn setup(mailboxes: &[String], store: &str) -> Setup {
    let names: Vec<&str> = mailboxes.iter().map(String::as_str).collect();
    Setup {
        machine: "trusted = [\"127.0.0.0/8\"]".into(),
        smtp_limits: "connections = 30000\nmessages = 1000000\nsession-time = \"1 h\"".into(),
        tables: format!("[limits]\nquota = \"none\"\n[store]\n{store}\n"),
        ..Setup::of(&names)
    }
}
