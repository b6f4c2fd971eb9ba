use std::collections::{BTreeMap, BTreeSet};

/// A time or an instant, in milliseconds of true time: what clocks make of it is said by [`Book::jumped`].
pub(crate) type Ms = u64;

pub(crate) const DAY: Ms = 24 * 60 * 60 * 1000;

/// The mailbox that everybody collects.
pub(crate) const TEAM: &str = "sales";

/// When mail may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Fetching is enough; otherwise each must have deleted it.
    pub(crate) fetching: bool,
    pub(crate) hold: Ms,
    pub(crate) max_age: Option<Ms>,
    pub(crate) absent: Option<Ms>,
}

/// What a member gets of the mail before her.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    All,
    Now,
    Back(Ms),
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) robot: bool,
    pub(crate) mirrors: bool,
    pub(crate) from: From,
    pub(crate) joined: Ms,
    /// From then on she may not count any more.
    pub(crate) left: Option<Ms>,
    /// The last login that she may have had.
    pub(crate) last_login: Ms,
}

/// One message under one unique id.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Not known before somebody has read it.
    pub(crate) number: Option<u64>,
    pub(crate) whose: Whose,
    /// It was not there before.
    pub(crate) came: Ms,
    pub(crate) size: Option<u64>,
    pub(crate) digest: Option<u64>,
    /// Everybody may have had it by then, and its hold begun: who joins later makes it wait, and not longer.
    pub(crate) released: Option<Ms>,
    /// The rule has allowed it to go since somebody saw it.
    pub(crate) may_be_gone: bool,
    /// Somebody saw that it has gone.
    pub(crate) gone: bool,
}

/// Who is to see an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Everybody of the team.
    Team,
    /// Of the team's mailbox, but for one who had it brought back.
    Back(String),
    /// In the mailbox of one person.
    Own(String),
}

/// What one member did with one entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    pub(crate) may_fetched: Option<Ms>,
    pub(crate) may_done: Option<Ms>,
    pub(crate) fetched: Option<Ms>,
    pub(crate) done: Option<Ms>,
    /// Sessions that began to fetch it and did not end with QUIT.
    pub(crate) unfinished: u32,
}

/// Whether an entry is for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    No,
    Perhaps,
    Yes,
}

/// All that is known.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) context: String,
    pub(crate) rule: Rule,
    pub(crate) members: BTreeMap<String, Member>,
    pub(crate) entries: BTreeMap<String, Entry>,
    pub(crate) marks: BTreeMap<(String, String), Marks>,
    /// Numbers that a person may have got.
    pub(crate) human: BTreeMap<u64, Ms>,
    /// When the wall clock was put forward or back, and how far.
    pub(crate) jumps: Vec<(Ms, i64)>,
    /// When messages were sent: before that, they were not there.
    pub(crate) sent: BTreeMap<u64, Ms>,
}

impl Book {
    pub(crate) fn new(context: String, rule: Rule) -> Self {
        Self {
            context,
            rule,
            members: BTreeMap::new(),
            entries: BTreeMap::new(),
            marks: BTreeMap::new(),
            human: BTreeMap::new(),
            jumps: Vec::new(),
            sent: BTreeMap::new(),
        }
    }

    pub(crate) fn joins(&mut self, name: &str, member: Member) {
        self.settle(member.joined);
        assert!(self.members.insert(name.into(), member).is_none(), "{name} joins twice");
    }

    pub(crate) fn leaves(&mut self, name: &str, now: Ms) {
        self.settle(now);
        self.member(name).left = Some(now);
    }

    fn member(&mut self, name: &str) -> &mut Member {
        self.members.get_mut(name).expect("a member")
    }

    /// The wall clock is put forward or back.
    pub(crate) fn jumped(&mut self, now: Ms, by: i64) {
        self.settle(now);
        self.jumps.push((now, by));
    }

    /// How old something of that time may be taken for: only a jump of less than a day is not told from time that passes.
    pub(crate) fn age(&self, since: Ms, now: Ms) -> Ms {
        let after = self.jumps.iter().filter(|(at, _)| *at >= since);
        let unseen = after.map(|(_, by)| by.unsigned_abs()).filter(|by| *by <= DAY);
        now.saturating_sub(since) + unseen.sum::<Ms>()
    }

    /// Something was delivered.
    pub(crate) fn came(&mut self, uid: &str, number: u64, whose: Whose, came: Ms) {
        let entry = Entry {
            number: Some(number),
            whose,
            came,
            size: None,
            digest: None,
            released: None,
            may_be_gone: false,
            gone: false,
        };
        assert!(self.entries.insert(uid.into(), entry).is_none(), "{}: {uid} was given twice", self.context);
    }

    /// What was deleted came back for one alone.
    pub(crate) fn came_back(&mut self, who: &str, was: &str, uid: &str, now: Ms) {
        let was =
            self.entries.get(was).unwrap_or_else(|| panic!("{}: nobody knows {was}", self.context)).clone();
        self.came(uid, was.number.expect("known"), Whose::Back(who.into()), now);
        let entry = self.entries.get_mut(uid).expect("just made");
        (entry.size, entry.digest) = (was.size, was.digest);
    }

    /// Whether an entry is for a member: as far as that can be said in the face of clocks.
    pub(crate) fn due(&self, who: &str, entry: &Entry) -> Due {
        let member = &self.members[who];
        match &entry.whose {
            Whose::Own(owner) | Whose::Back(owner) if owner == who => Due::Yes,
            // Who joins later gets what there is, also what came back for somebody else.
            Whose::Back(_) if member.joined > entry.came => Due::Perhaps,
            Whose::Own(_) | Whose::Back(_) => Due::No,
            Whose::Team => match member.from {
                From::All => Due::Yes,
                From::Now if entry.came > member.joined => Due::Yes,
                From::Now => Due::No,
                From::Back(_) if entry.came > member.joined => Due::Yes,
                From::Back(_) if self.jumps.iter().any(|(at, _)| *at <= member.joined) => Due::Perhaps,
                From::Back(back) if entry.came + back > member.joined + 60_000 => Due::Yes,
                From::Back(back) if entry.came + back + 60_000 < member.joined => Due::No,
                From::Back(_) => Due::Perhaps,
            },
        }
    }

    pub(crate) fn marks(&self, who: &str, uid: &str) -> Marks {
        self.marks.get(&(who.into(), uid.into())).cloned().unwrap_or_default()
    }

    fn mark(&mut self, who: &str, uid: &str) -> &mut Marks {
        self.marks.entry((who.into(), uid.into())).or_default()
    }

    pub(crate) fn logged_in(&mut self, who: &str, now: Ms) {
        self.settle(now);
        self.member(who).last_login = now;
    }

    /// These, and in a maildrop of both mailboxes the same messages in the other one.
    pub(crate) fn with_twins(&self, who: &str, own: bool, uids: &[String], surely: bool) -> Vec<String> {
        let numbers: BTreeSet<u64> = uids.iter().filter_map(|uid| self.entries[uid].number).collect();
        let is_twin = |entry: &Entry| {
            let here = match &entry.whose {
                Whose::Team => self.due(who, entry) != Due::No,
                Whose::Own(owner) => owner == who,
                Whose::Back(owner) => owner == who && !surely,
            };
            here && entry.number.is_some_and(|number| numbers.contains(&number))
        };
        let twins =
            self.entries.iter().filter(|(_, entry)| own && is_twin(entry)).map(|(uid, _)| uid.clone());
        let all: BTreeSet<String> = uids.iter().cloned().chain(twins).collect();
        all.into_iter().collect()
    }

    /// A further command is about to be sent after all of these have come.
    pub(crate) fn may_fetched(&mut self, who: &str, uids: &[String], now: Ms) {
        for uid in uids {
            self.mark(who, uid).may_fetched.get_or_insert(now);
            self.person_has(who, uid, now);
        }
    }

    /// QUIT is about to be said over these.
    pub(crate) fn may_done(&mut self, who: &str, uids: &[String], now: Ms) {
        for uid in uids {
            self.mark(who, uid).may_done.get_or_insert(now);
            self.person_has(who, uid, now);
        }
    }

    /// Of a person by then, whichever unique id she got it under.
    pub(crate) fn person_has(&mut self, who: &str, uid: &str, now: Ms) {
        let number = self.entries.get(uid).and_then(|entry| entry.number);
        if let (Some(number), false) = (number, self.members[who].robot) {
            self.human.entry(number).or_insert(now);
        }
    }

    /// QUIT was answered with `+OK`.
    pub(crate) fn quit(&mut self, who: &str, fetched: &[String], done: &[String], now: Ms) {
        for uid in fetched {
            self.mark(who, uid).fetched.get_or_insert(now);
        }
        for uid in done {
            self.mark(who, uid).done.get_or_insert(now);
        }
    }

    /// The session ended without that.
    pub(crate) fn unfinished(&mut self, who: &str, begun: &BTreeSet<String>) {
        for uid in begun {
            self.mark(who, uid).unfinished += 1;
        }
    }
}
