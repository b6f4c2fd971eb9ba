use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;

use mail::Known;

use super::super::answer::Answer;
use super::super::facts::{Attachment, Content, Facts, Person, To};
use super::super::pattern::{Literals, Slot, Text};

/// The values that a message has in one place, or why they are not known.
pub(super) type Values<'e> = Result<&'e Slot<'e>, Answer>;
type Cell<'f> = OnceCell<Slot<'f>>;

/// The facts of one message in the forms that conditions compare: each made when it is first asked for, and once
/// for all recipients.
#[derive(Debug)]
pub(crate) struct Evidence<'f> {
    pub(super) facts: &'f Facts,
    literals: &'f Literals,
    /// What questions that do not ask about the recipient were answered, by their numbers.
    answers: RefCell<Vec<Option<Answer>>>,
    sender: Cell<'f>,
    helo: Cell<'f>,
    tls: Cell<'f>,
    reverse_dns: Cell<'f>,
    listed: Cell<'f>,
    from: Cell<'f>,
    author_names: Cell<'f>,
    to: Cell<'f>,
    cc: Cell<'f>,
    list_id: Cell<'f>,
    fields: OnceCell<HashMap<&'f str, Slot<'f>>>,
    no_field: Slot<'f>,
    names: Cell<'f>,
    types: Cell<'f>,
    content_type: Cell<'f>,
    body: Cell<'f>,
    virus: Cell<'f>,
    symbols: Cell<'f>,
}

/// The recipient of one search in the same forms.
#[derive(Debug)]
pub(crate) struct Recipient<'f> {
    pub(super) address: Slot<'f>,
    pub(super) detail: Slot<'f>,
    /// Postmaster and abuse: never refused nor held back.
    pub(crate) protected: bool,
}

impl<'f> Recipient<'f> {
    pub(crate) fn new(to: &'f To) -> Self {
        Self {
            address: Slot::new([Text::address(&to.address)], None),
            detail: Slot::new(to.detail.as_deref().map(Text::new), None),
            protected: to.protected,
        }
    }
}

/// What is known of something; otherwise the answer to whatever is asked about it.
pub(super) fn known<T>(known: &Known<T>) -> Result<&T, Answer> {
    match known {
        Known::Is(value) => Ok(value),
        Known::Unknown(why) => Err(Answer::unknown(why.as_str())),
        Known::NotYet => Err(Answer::NotYet),
    }
}

impl<'f> Evidence<'f> {
    pub(crate) fn new(facts: &'f Facts, literals: &'f Literals, questions: usize) -> Self {
        Self {
            facts,
            literals,
            answers: RefCell::new(vec![None; questions]),
            sender: OnceCell::new(),
            helo: OnceCell::new(),
            tls: OnceCell::new(),
            reverse_dns: OnceCell::new(),
            listed: OnceCell::new(),
            from: OnceCell::new(),
            author_names: OnceCell::new(),
            to: OnceCell::new(),
            cc: OnceCell::new(),
            list_id: OnceCell::new(),
            fields: OnceCell::new(),
            no_field: Slot::new([], None),
            names: OnceCell::new(),
            types: OnceCell::new(),
            content_type: OnceCell::new(),
            body: OnceCell::new(),
            virus: OnceCell::new(),
            symbols: OnceCell::new(),
        }
    }

    fn slot(&self, texts: impl IntoIterator<Item = Text<'f>>) -> Slot<'f> {
        Slot::new(texts, Some(self.literals))
    }

    /// The answer to a question, asked once for all recipients.
    pub(super) fn once(&self, number: usize, ask: impl FnOnce() -> Answer) -> Answer {
        if let Some(answer) = self.answers.borrow().get(number).and_then(Option::as_ref) {
            return answer.clone();
        }
        let answer = ask();
        if let Some(place) = self.answers.borrow_mut().get_mut(number) {
            *place = Some(answer.clone());
        }
        answer
    }

    /// Whether more will be known later.
    pub(crate) fn is_early(&self) -> bool {
        matches!(self.facts.content, Known::NotYet)
    }

    pub(super) fn sender(&self) -> Values<'_> {
        let sender = known(&self.facts.sender)?;
        Ok(self.sender.get_or_init(|| self.slot([Text::address(sender)])))
    }

    pub(super) fn helo(&self) -> Values<'_> {
        let helo = known(&self.facts.helo)?;
        Ok(self.helo.get_or_init(|| self.slot([Text::domain(helo)])))
    }

    pub(super) fn tls(&self) -> Values<'_> {
        let tls = known(&self.facts.tls)?;
        Ok(self.tls.get_or_init(|| self.slot(tls.as_deref().map(Text::new))))
    }

    /// The name that leads back to the address.
    pub(super) fn reverse_dns(&self) -> Values<'_> {
        use mail::AuthResult::TempError;
        let iprev = known(&self.facts.iprev)?;
        if iprev.as_ref().is_some_and(|iprev| iprev.result == TempError) {
            return Err(Answer::unknown("the reverse lookup failed for now"));
        }
        let verified = iprev.as_ref().filter(|iprev| iprev.result == mail::AuthResult::Pass);
        let name = verified.and_then(|iprev| iprev.name.as_deref());
        Ok(self.reverse_dns.get_or_init(|| self.slot(name.map(Text::domain))))
    }

    pub(super) fn listed(&self) -> Values<'_> {
        let listed = known(&self.facts.listed)?;
        Ok(self.listed.get_or_init(|| self.slot(listed.iter().map(|zone| Text::domain(zone)))))
    }

    pub(super) fn content(&self) -> Result<&'f Content, Answer> {
        known(&self.facts.content)
    }

    pub(super) fn authors(&self) -> Values<'_> {
        let people = &self.content()?.from;
        Ok(self.from.get_or_init(|| self.slot(addresses(people))))
    }

    pub(super) fn author_names(&self) -> Values<'_> {
        let people = self.content()?.from.iter().filter(|person| !person.name.is_empty());
        Ok(self.author_names.get_or_init(|| self.slot(people.map(|person| Text::new(&person.name)))))
    }

    pub(super) fn to(&self) -> Values<'_> {
        let people = &self.content()?.to;
        Ok(self.to.get_or_init(|| self.slot(addresses(people))))
    }

    pub(super) fn cc(&self) -> Values<'_> {
        let people = &self.content()?.cc;
        Ok(self.cc.get_or_init(|| self.slot(addresses(people))))
    }

    /// Every field of a name, which is in lower case.
    pub(super) fn fields(&self, name: &str) -> Values<'_> {
        let content = self.content()?;
        let fields = self.fields.get_or_init(|| {
            let mut fields: HashMap<&str, Vec<Text<'_>>> = HashMap::with_capacity(content.headers.len());
            for (name, value) in &content.headers {
                fields.entry(name).or_default().push(Text::new(value));
            }
            fields.into_iter().map(|(name, texts)| (name, self.slot(texts))).collect()
        });
        Ok(fields.get(name).unwrap_or(&self.no_field))
    }

    /// What stands in the angle brackets of List-Id (RFC 2919 §3), or all of it where there are none.
    pub(super) fn list_id(&self) -> Values<'_> {
        let field = self.content()?.headers.iter().find(|(name, _)| name == "list-id");
        Ok(self.list_id.get_or_init(|| {
            let id = field.map(|(_, value)| {
                let inside = value.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
                inside.map_or(value.as_str(), |(id, _)| id).trim()
            });
            self.slot(id.map(Text::new))
        }))
    }

    /// What stands behind the header section: of mail that is gone it may not be known.
    pub(super) fn inside(&self) -> Result<&'f Content, Answer> {
        match self.content()? {
            content if content.header_only => Err(Answer::unknown("only the header was kept")),
            content => Ok(content),
        }
    }

    /// Names of attachments; a part without one is no name, and is there.
    pub(super) fn attachment_names(&self) -> Values<'_> {
        let attachments = &self.inside()?.attachments;
        Ok(self
            .names
            .get_or_init(|| self.slot(attachments.iter().map(|it: &Attachment| Text::new(&it.name)))))
    }

    /// What attachments say they are, and what their first octets say.
    pub(super) fn attachment_types(&self) -> Values<'_> {
        let attachments = &self.inside()?.attachments;
        let types =
            attachments.iter().flat_map(|it| [Some(it.content_type.as_str()), it.detected.as_deref()]);
        Ok(self.types.get_or_init(|| self.slot(types.flatten().map(Text::new))))
    }

    pub(super) fn content_type(&self) -> Values<'_> {
        let content = self.content()?;
        Ok(self.content_type.get_or_init(|| self.slot([Text::new(&content.content_type)])))
    }

    pub(super) fn body(&self) -> Values<'_> {
        let body = self.inside()?.body.as_deref();
        let body = body.ok_or_else(|| Answer::unknown("the body was not kept"))?;
        Ok(self.body.get_or_init(|| self.slot([Text::new(body)])))
    }

    /// What the virus scanner found.
    pub(super) fn virus(&self) -> Values<'_> {
        let virus = known(&self.facts.verdicts.virus)?;
        let name = virus.as_ref().and_then(|virus| virus.name.as_deref());
        Ok(self.virus.get_or_init(|| self.slot(name.map(Text::new))))
    }

    /// What the spam filter noticed.
    pub(super) fn symbols(&self) -> Values<'_> {
        let spam = known(&self.facts.verdicts.spam)?;
        let symbols = spam.iter().flat_map(|spam| &spam.symbols);
        Ok(self.symbols.get_or_init(|| self.slot(symbols.map(|symbol| Text::new(symbol)))))
    }
}

fn addresses(people: &[Person]) -> impl Iterator<Item = Text<'_>> {
    people.iter().map(|person| Text::address(&person.address))
}

/// Values in words.
pub(super) fn words(values: &Values<'_>) -> String {
    match values {
        Ok(slot) if slot.texts().is_empty() => "nothing".into(),
        Ok(slot) => mail::shown(Quoted(slot.texts())),
        Err(Answer::Unknown(doubt)) => mail::shown(&doubt.why),
        Err(Answer::NotYet | Answer::Yes | Answer::No) => "not known yet".into(),
    }
}

struct Quoted<'v>(&'v [Text<'v>]);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, value) in self.0.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}\"{}\"", value.raw())?;
        }
        Ok(())
    }
}
