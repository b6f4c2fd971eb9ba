use std::ops::Range;

use ::mail::{Domain, MailboxName};

use super::super::diagnostic::Diagnostic;
use super::super::source::{Reader, Value, did_you_mean};

/// The mailboxes that `deliver` or `copy` names, each once.
pub(crate) fn mailboxes(key: &str, value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Vec<MailboxName>> {
    let texts = reader.strings(key, value, "expected a mailbox, or a list of them: [\"…\", \"…\"]");
    let all = texts.len();
    let mut read = 0;
    let mut found = Vec::with_capacity(all);
    for (text, span) in texts {
        let Some(name) = mailbox(text, span, reader) else { continue };
        read += 1;
        if !found.contains(&name) {
            found.push(name);
        }
    }
    (all > 0 && read == all).then_some(found)
}

fn mailbox(text: &str, span: Range<usize>, reader: &mut Reader<'_>) -> Option<MailboxName> {
    let Some(directory) = reader.around.directory else {
        // The directory has faults of its own; which mailboxes there are is not known.
        let name = MailboxName::parse(text);
        if let Err(why) = &name {
            let message = format!("`{}` cannot be a mailbox: {why}", text.escape_debug());
            reader.say(Diagnostic::error(span, message));
        }
        return name.ok();
    };
    if let Some(name) = directory.mailbox_named(text) {
        return Some(name.clone());
    }
    let domain = text.rsplit_once('@').map(|(_, domain)| domain);
    if let Some(domain) = domain.and_then(|domain| Domain::parse(domain).ok())
        && !directory.is_ours(&domain)
    {
        let message = format!("`{text}` is outside: restante receives and hands out mail, it sends none");
        let hint = "let its owner collect here by POP3, or forward it where mail is sent from; see \"Sending\" \
                    in the README";
        reader.say(Diagnostic::error(span, message).hint(hint));
        return None;
    }
    if let Some((base, view)) = text.split_once('+')
        && directory.mailbox_named(base).is_some()
    {
        let view = view.split('@').next().unwrap_or_default();
        let message = format!("`{text}` is a view of mailbox `{base}`, and mail goes to mailboxes");
        let hint = match view {
            "quarantine" => "to have it held back, write quarantine = true".to_owned(),
            _ => format!("write \"{base}\""),
        };
        reader.say(Diagnostic::error(span, message).hint(hint));
        return None;
    }
    let said = match directory.leads_to(text) {
        Some(mailboxes) => {
            let names: Vec<String> = mailboxes.iter().map(|name| format!("\"{name}\"")).collect();
            let message = format!("`{text}` is an address, and no mailbox");
            Diagnostic::error(span, message).hint(format!("it leads to: [{}]", names.join(", ")))
        }
        None => {
            let message = format!("there is no mailbox `{}`", text.escape_debug());
            let names = directory.mailbox_names().map(MailboxName::as_str);
            Diagnostic::error(span, message).maybe(did_you_mean(text, names))
        }
    };
    reader.say(said);
    None
}
