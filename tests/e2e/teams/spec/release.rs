use super::book::{Book, DAY, Due, Entry, Ms, TEAM, Whose};

/// Sessions without QUIT after which a robot's message may be parked.
const PARKED: u32 = 5;

/// What must be true of an entry in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing allows it to go.
    Stays,
    /// Everything has been done for it to go, long ago.
    Goes,
    /// Nobody outside can tell.
    Either,
}

impl Book {
    /// Notes what is allowed to go by now: it stays allowed until somebody sees it, for it may have gone.
    pub(crate) fn settle(&mut self, now: Ms) {
        let left: Vec<String> =
            self.entries.iter().filter(|(_, entry)| !entry.may_be_gone).map(|(uid, _)| uid.clone()).collect();
        for uid in left {
            let entry = &self.entries[&uid];
            let released = entry.released.or_else(|| self.may_be_released(&uid, entry, now));
            let may_go = self.may_go(&uid, entry, released, now);
            let entry = self.entries.get_mut(&uid).expect("known");
            (entry.released, entry.may_be_gone) = (released, may_go);
        }
    }

    fn may_go(&self, uid: &str, entry: &Entry, released: Option<Ms>, now: Ms) -> bool {
        if let Whose::Own(owner) = &entry.whose {
            return self.marks(owner, uid).may_done.is_some();
        }
        let is_old = self.rule.max_age.is_some_and(|max| self.age(entry.came, now) >= max);
        let is_held = released.is_none_or(|since| self.age(since, now) < self.rule.hold);
        is_old || (!is_held && self.everybody_has_since(uid, entry, now).is_some())
    }

    fn may_be_released(&self, uid: &str, entry: &Entry, now: Ms) -> Option<Ms> {
        let somebody = self.members.values().any(|member| member.left.is_none());
        somebody.then(|| self.has_been_enough_since(uid, entry, now)).flatten()
    }

    /// From when on everybody may have had enough of it, and a person have had it.
    fn has_been_enough_since(&self, uid: &str, entry: &Entry, now: Ms) -> Option<Ms> {
        let since = self.everybody_has_since(uid, entry, now)?;
        // Never without a person, unless there is none any more. Of what came back for one, the others are done already.
        if entry.whose == Whose::Team && !self.robots_alone() {
            return Some(since.max(*self.human.get(&entry.number?)?));
        }
        Some(since)
    }

    /// From when on everybody to whom it is due may have had enough of it.
    fn everybody_has_since(&self, uid: &str, entry: &Entry, now: Ms) -> Option<Ms> {
        let mut since = entry.came;
        for (name, member) in &self.members {
            if self.due(name, entry) != Due::Yes {
                continue;
            }
            let marks = self.marks(name, uid);
            let fetched = marks.may_fetched.filter(|_| self.rule.fetching && !member.mirrors);
            let lapsed = self.rule.absent.filter(|absent| self.age(member.last_login, now) >= *absent);
            let lapsed = lapsed.map(|_| member.last_login);
            let parked = (member.robot && marks.unfinished >= PARKED).then_some(entry.came);
            let enough = [fetched, marks.may_done, member.left, lapsed, parked].into_iter().flatten().min();
            since = since.max(enough?);
        }
        Some(since)
    }

    fn robots_alone(&self) -> bool {
        self.members.values().filter(|member| member.left.is_none()).all(|member| member.robot)
    }

    /// What must be true when everything has been quiet for longer than anything takes.
    pub(crate) fn fate(&self, uid: &str, now: Ms) -> Fate {
        let entry = &self.entries[uid];
        if !entry.may_be_gone {
            return Fate::Stays;
        }
        // Mail that a clock has stamped which ran ahead is young until then.
        let ahead: Ms = self.jumps.iter().filter(|(_, by)| *by < 0).map(|(_, by)| by.unsigned_abs()).sum();
        if self.rule.max_age.is_some_and(|max| now.saturating_sub(entry.came) > max + ahead + 3 * DAY) {
            return Fate::Goes;
        }
        let (mut active, mut person) = (false, self.robots_alone());
        for (name, member) in self.members.iter().filter(|(_, member)| member.left.is_none()) {
            active = true;
            let marks = self.marks(name, uid);
            let fetched = marks.fetched.filter(|_| self.rule.fetching && !member.mirrors);
            let has = fetched.is_some() || marks.done.is_some();
            match self.due(name, entry) {
                Due::No => {}
                Due::Perhaps | Due::Yes if !has => return Fate::Either,
                Due::Perhaps | Due::Yes => {}
            }
            person |= !member.robot && (marks.fetched.is_some() || marks.done.is_some());
        }
        if active && person { Fate::Goes } else { Fate::Either }
    }

    /// Every entry of the team's mailbox that nobody saw go.
    pub(crate) fn team_entries(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.entries.iter().filter(|(_, entry)| !entry.gone && !matches!(entry.whose, Whose::Own(_)))
    }

    /// What the whole of the team's mailbox holds, whoever sees it.
    pub(crate) fn holds(&mut self, uids: &[String], now: Ms) {
        self.settle(now);
        let mut went = Vec::new();
        for (uid, entry) in self.entries.iter().filter(|(_, entry)| !matches!(entry.whose, Whose::Own(_))) {
            let there = uids.contains(uid);
            assert!(!(there && entry.gone), "{}: {uid} is back in {TEAM}", self.context);
            let early = !there && !entry.may_be_gone;
            assert!(!early, "{}: {uid} went before its rule allows {}", self.context, self.about(uid, now));
            if !there {
                went.push(uid.clone());
            }
        }
        for uid in went {
            self.entries.get_mut(&uid).expect("known").gone = true;
        }
        let unknown = uids.iter().find(|uid| !self.entries.contains_key(*uid));
        assert!(unknown.is_none(), "{}: {TEAM} holds {unknown:?}, which nobody sent", self.context);
    }

    pub(crate) fn may_be_parked(&self, who: &str, uid: &str) -> bool {
        self.members[who].robot && self.marks(who, uid).unfinished >= PARKED
    }
}
