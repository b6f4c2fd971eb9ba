//! `mail = { … }` of a test: facts with the keys of conditions. What it does not say is what most mail is: nothing
//! was tried, nothing was found.

use std::net::IpAddr;
use std::str::FromStr;

use ::mail::{
    ArcResult, AuthResult, DkimResult, DmarcPolicy, DmarcResult, ForwardPath, IprevResult, Known,
    MailboxName, Spam, SpfResult, Verdicts, Virus,
};
use directory::Resolution;
use jiff::civil::{DateTime, date};
use toml::de::DeValue;

use super::super::diagnostic::Diagnostic;
use super::super::facts::{Attachment, Content, Facts, Person, To};
use super::super::source::{Fields, Reader, Value, did_you_mean};

/// What makes a value one that nobody can tell.
const UNKNOWN: &str = "unknown";

type Read = (Facts, To, Option<Vec<MailboxName>>);

pub(super) fn read(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Read> {
    let table = reader.table("mail", value, "expected { to = \"someone@example.com\", … }")?;
    let mut mail = Mail { fields: Fields::new(table, value.span(), "mail"), reader, sound: true };
    let to = mail.people("to");
    let recipient = mail.text("recipient").or_else(|| to.first().map(|to| to.address.clone()));
    let recipient_span =
        mail.fields.span_of(if table.contains_key("recipient") { "recipient" } else { "to" });
    let content = mail.content(to);
    let facts = mail.facts(content);
    let Mail { fields, mut sound, .. } = mail;
    let before = reader.errors;
    fields.finish(reader);
    sound &= reader.errors == before;
    let Some(recipient) = recipient else {
        if sound {
            reader.say(
                Diagnostic::error(value.span(), "`mail` has no `to`").hint("to = \"someone@example.com\""),
            );
        }
        return None;
    };
    let (path, _) = match ForwardPath::parse(&format!("<{recipient}>")) {
        Ok(path) => path,
        Err(why) => {
            let message = format!("`{}` is no recipient: {why}", recipient.escape_debug());
            reader.say(Diagnostic::error(recipient_span, message));
            return None;
        }
    };
    let Some(directory) = reader.around.directory else {
        let to = To { address: path.to_string(), detail: None, protected: false };
        return sound.then_some((facts, to, None));
    };
    let answer = match directory.resolve(&path) {
        Resolution::Deliver { mailboxes, .. } => mailboxes,
        Resolution::Refused { .. } | Resolution::Unknown | Resolution::NotLocal => {
            let message = format!("`{recipient}` is nobody's address: its mail never comes to the rules");
            reader.say(Diagnostic::error(recipient_span, message));
            return None;
        }
    };
    sound.then(|| (facts, To::new(&path, directory), Some(answer)))
}

struct Mail<'t, 'r, 's> {
    fields: Fields<'t>,
    reader: &'r mut Reader<'s>,
    sound: bool,
}

impl<'t> Mail<'t, '_, '_> {
    fn get(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        self.fields.get(key)
    }

    fn keep<T>(&mut self, read: Option<T>) -> Option<T> {
        self.sound &= read.is_some();
        read
    }

    fn wrong(&mut self, value: &Value<'_>, message: String, hint: Option<String>) {
        self.sound = false;
        self.reader.say(Diagnostic::error(value.span(), message).maybe(hint));
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        let read = self.reader.string(key, value, "expected a string: \"…\"").map(str::to_owned);
        self.keep(read)
    }

    fn texts(&mut self, key: &'static str) -> Vec<String> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let before = self.reader.errors;
        let texts = self.reader.strings(key, value, "expected a string, or a list of them");
        self.sound &= self.reader.errors == before;
        texts.into_iter().map(|(text, _)| text.to_owned()).collect()
    }

    fn flag(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        let read = self.reader.flag(key, value);
        self.keep(read)
    }

    fn people(&mut self, key: &'static str) -> Vec<Person> {
        let addresses = self.texts(key).into_iter();
        addresses.map(|address| Person { address, name: String::new() }).collect()
    }

    /// What nobody can tell, if the value says so; otherwise what `read` makes of it.
    fn known<T: Default>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Self, &'t Value<'t>) -> Option<T>,
    ) -> Known<T> {
        let Some(value) = self.get(key) else { return Known::Is(T::default()) };
        if value.get_ref().as_str() == Some(UNKNOWN) {
            return Known::Unknown(format!("the test says that `{key}` is unknown"));
        }
        let found = read(self, value);
        Known::Is(self.keep(found).unwrap_or_default())
    }

    fn result(&mut self, key: &'static str, value: &Value<'_>) -> Option<AuthResult> {
        let text = self.reader.string(key, value, "expected a result such as \"pass\"")?;
        let found = AuthResult::ALL.into_iter().find(|result| result.as_str() == text);
        if found.is_none() {
            let hint = did_you_mean(text, AuthResult::ALL.map(AuthResult::as_str));
            self.wrong(value, format!("`{key}` is never \"{}\"", text.escape_debug()), hint);
        }
        found
    }

    fn content(&mut self, to: Vec<Person>) -> Content {
        let mut headers = Vec::new();
        let mut from = self.people("from");
        let names = self.texts("from-name");
        from.iter_mut().zip(names).for_each(|(person, name)| person.name = name);
        let cc = self.people("cc");
        for (name, people) in [("from", &from), ("to", &to), ("cc", &cc)] {
            if !people.is_empty() {
                let list: Vec<&str> = people.iter().map(|person| person.address.as_str()).collect();
                headers.push((name.to_owned(), list.join(", ")));
            }
        }
        for key in ["subject", "list-id"] {
            headers.extend(self.text(key).map(|value| (key.to_owned(), value)));
        }
        if let Some(value) = self.get("header") {
            let table = self.reader.table("header", value, "expected { \"X-Name\" = \"…\" }");
            for (name, _, value) in self.keep(table).map(Fields::in_order).unwrap_or_default() {
                let before = self.reader.errors;
                let values = self.reader.strings(name, value, "expected a string, or a list of them");
                self.sound &= self.reader.errors == before;
                headers
                    .extend(values.into_iter().map(|(text, _)| (name.to_ascii_lowercase(), text.to_owned())));
            }
        }
        let octets = "application/octet-stream".to_owned();
        let named = self.texts("attachment").into_iter().map(|name| (name.to_lowercase(), octets.clone()));
        let typed =
            self.texts("attachment-type").into_iter().map(|kind| (String::new(), kind.to_lowercase()));
        let attachments = named.collect::<Vec<_>>().into_iter().chain(typed);
        let attachments: Vec<Attachment> = attachments
            .map(|(name, content_type)| Attachment { name, content_type, detected: None, size: 0 })
            .collect();
        let body = self.known("body", |mail, value| mail.reader.string("body", value, "expected a text"));
        let content_type = if attachments.is_empty() { "text/plain" } else { "multipart/mixed" };
        Content {
            size: self.size(),
            headers,
            from,
            to,
            cc,
            attachments,
            content_type: self.text("content-type").unwrap_or_else(|| content_type.into()),
            too_complex: self.flag("too-complex").unwrap_or_default(),
            header_only: false,
            body: body.known().map(|body| (*body).to_owned()),
        }
    }

    fn size(&mut self) -> u64 {
        let Some(value) = self.get("size") else { return 2048 };
        let read = self.reader.string("size", value, "expected a size such as \"5 MiB\"");
        let Some(text) = self.keep(read) else { return 0 };
        match bytesize::ByteSize::from_str(text) {
            Ok(size) => size.as_u64(),
            Err(_) => {
                self.wrong(value, format!("`size`: `{}` is no size", text.escape_debug()), None);
                0
            }
        }
    }

    fn facts(&mut self, content: Content) -> Facts {
        let author = content.from.first().map(|person| person.address.clone()).unwrap_or_default();
        let author_domain = author.rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
        let sender = self.text("sender").unwrap_or(author);
        let sender_domain = sender.rsplit_once('@').map_or("", |(_, domain)| domain).to_owned();
        let policy = self.policy();
        let mut dkim = self.known("dkim", |mail, value| {
            let result = mail.result("dkim", value)?;
            let signature = signature(result, &author_domain);
            Some(if result == AuthResult::None { Vec::new() } else { vec![signature] })
        });
        for domain in self.texts("verified-domain") {
            if let Known::Is(signatures) = &mut dkim {
                signatures.push(signature(AuthResult::Pass, &domain));
            }
        }
        Facts {
            now_ms: self.at(),
            ip: self.ip(),
            iprev: self.known("reverse-dns", |mail, value| {
                let name = mail.reader.string("reverse-dns", value, "expected a host name")?.to_owned();
                Some(Some(IprevResult { result: AuthResult::Pass, name: Some(name) }))
            }),
            listed: self.known("listed", |mail, value| {
                let zones = mail.reader.strings("listed", value, "expected a zone, or a list of them");
                Some(zones.into_iter().map(|(zone, _)| zone.to_owned()).collect())
            }),
            helo: Known::Is(self.text("helo").unwrap_or_else(|| "client.invalid".into())),
            tls: self.known("tls", |mail, value| match value.get_ref() {
                DeValue::Boolean(tls) => Some(tls.then(|| "TLS1.3".to_owned())),
                _ => mail
                    .reader
                    .string("tls", value, "expected true or a version")
                    .map(|it| Some(it.to_owned())),
            }),
            sender: Known::Is(sender),
            spf: self.known("spf", |mail, value| {
                let result = mail.result("spf", value)?;
                Some(Some(SpfResult { result, of_helo: false, domain: sender_domain, reason: None }))
            }),
            dkim,
            dmarc: self.known("dmarc", |mail, value| {
                let result = mail.result("dmarc", value)?;
                Some(Some(DmarcResult { result, from: author_domain.clone(), policy, reason: None }))
            }),
            trusted_forwarder: Known::Is(self.flag("trusted-forwarder").unwrap_or_default()),
            arc: self.known("arc", |mail, value| {
                let result = mail.result("arc", value)?;
                Some(Some(ArcResult { result, sealer: None }))
            }),
            content: Known::Is(content),
            verdicts: self.verdicts(),
        }
    }

    fn policy(&mut self) -> DmarcPolicy {
        let words = [
            ("reject", DmarcPolicy::Reject),
            ("quarantine", DmarcPolicy::Quarantine),
            ("none", DmarcPolicy::None),
        ];
        let Some(value) = self.get("dmarc-policy") else { return DmarcPolicy::Reject };
        let read =
            self.reader.string("dmarc-policy", value, "expected \"reject\", \"quarantine\" or \"none\"");
        let Some(text) = self.keep(read) else { return DmarcPolicy::Reject };
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, policy)| *policy);
        found.unwrap_or_else(|| {
            let hint = did_you_mean(text, words.map(|(word, _)| word));
            self.wrong(value, format!("`dmarc-policy` is never \"{}\"", text.escape_debug()), hint);
            DmarcPolicy::Reject
        })
    }

    fn verdicts(&mut self) -> Verdicts {
        let symbols = self.texts("spam-symbol");
        let mut spam = self.known("spam-score", |mail, value| {
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                    mail.reader.wrong_kind("spam-score", value, "expected a score such as 5.1");
                    return None;
                }
            };
            match super::super::condition::hundredths(&text) {
                Ok(score) => Some(Some(Spam { score, action: String::new(), symbols: Vec::new() })),
                Err(why) => {
                    mail.wrong(value, format!("`spam-score`: {why}"), None);
                    None
                }
            }
        });
        if !symbols.is_empty()
            && let Known::Is(spam) = &mut spam
        {
            spam.get_or_insert(Spam { score: 0, action: String::new(), symbols: Vec::new() }).symbols =
                symbols;
        }
        let virus = self.known("virus", |mail, value| match value.get_ref() {
            DeValue::Boolean(found) => Some(Some(Virus { name: found.then(|| "Eicar-Test".to_owned()) })),
            _ => {
                let name = mail.reader.string("virus", value, "expected true, false or the name of one")?;
                Some(Some(Virus { name: Some(name.to_owned()) }))
            }
        });
        Verdicts { spam, virus }
    }

    fn ip(&mut self) -> Option<IpAddr> {
        let Some(value) = self.get("ip") else { return Some(IpAddr::from([192, 0, 2, 1])) };
        let read = self.reader.string("ip", value, "expected an IP address");
        let text = self.keep(read)?;
        let ip = text.parse().ok();
        if ip.is_none() {
            self.wrong(value, format!("`ip`: `{}` is no IP address", text.escape_debug()), None);
        }
        ip
    }

    /// `Mon 10:00`, in some week.
    fn at(&mut self) -> u64 {
        let read = |text: &str| {
            let (day, time) = text.split_once(' ')?;
            let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
            let day = (1..).zip(days).find(|(_, name)| *name == day.to_ascii_lowercase())?.0;
            let time = jiff::civil::Time::strptime("%H:%M", time).ok()?;
            // 1 January 2024 is a Monday, and no clock is changed in that week.
            Some(DateTime::from_parts(date(2024, 1, day), time))
        };
        let text =
            self.get("at").map(|value| (value, self.reader.string("at", value, "expected \"Mon 10:00\"")));
        let local = match text {
            None => read("mon 12:00"),
            Some((_, None)) => {
                self.sound = false;
                None
            }
            Some((value, Some(text))) => {
                let local = read(text);
                if local.is_none() {
                    let hint = Some("such as \"Mon 10:00\"".to_owned());
                    self.wrong(value, format!("`at`: `{}` is no day and time", text.escape_debug()), hint);
                }
                local
            }
        };
        let zone = &self.reader.around.time_zone;
        let time = local.and_then(|local| local.to_zoned(zone.clone()).ok());
        time.and_then(|time| u64::try_from(time.timestamp().as_millisecond()).ok()).unwrap_or_default()
    }
}

fn signature(result: AuthResult, domain: &str) -> DkimResult {
    let domain = domain.to_owned();
    DkimResult { result, domain, selector: "test".into(), signature: String::new(), reason: None }
}
