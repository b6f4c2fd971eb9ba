use std::collections::BTreeSet;

use directory::{Team, When};
use mail::{Uid, ViewName};
use queue::ViewState;

/// One whose claim may hold a team's mail back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimant {
    /// What its view has fetched and is done with.
    pub(crate) state: ViewState,
    /// A program: it has the same claims as others, and is no human.
    pub(crate) robot: bool,
    /// Its devices remove what is removed here: what it fetched and did not delete is still wanted.
    pub(crate) mirrors: bool,
    /// The file names it. One that it does not name any more still holds mail back until it leaves.
    pub(crate) member: bool,
    /// It has not been absent for so long that its claim has lapsed.
    pub(crate) active: bool,
}

impl Claimant {
    /// Whether it keeps a message from being released.
    fn holds(&self, uid: Uid, when: When) -> bool {
        self.active
            && self.state.wants(uid)
            && match when {
                When::AllFetched => self.mirrors || !self.state.fetched.contains(uid),
                When::AllDone | When::Never => true,
            }
    }
}

/// Whether a message came to whoever has this view.
fn has_had(state: &ViewState, uid: Uid) -> bool {
    let ViewState { after, fetched, done, .. } = state;
    uid > *after && (done.contains(uid) || fetched.contains(uid))
}

/// Everyone whose word counts for what a team releases, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    when: When,
    claimants: Vec<Claimant>,
    /// Nobody in the team is a human, and nobody shares a password of the mailbox: then a robot's word is enough.
    robots_alone: bool,
    /// How the view of that password stands, where all others are robots: whoever has it stands for the humans.
    people: Option<ViewState>,
    /// A member of the file has not joined yet, and nobody knows what it wants.
    waiting: bool,
}

/// What is to be done with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is released, because.
    Released(Why),
    /// Somebody still wants it.
    Wanted,
    /// Nobody wants it, and nobody who counts has had it.
    Unread,
    /// Nobody is there who could let it go, or the team lets nothing go.
    Kept,
}

/// Why a message is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Every active member has fetched it, or is done with it.
    AllFetched,
    /// Every active member is done with it.
    AllDone,
}

impl Why {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::AllFetched => "released: everyone has fetched it",
            Self::AllDone => "released: everyone is done with it",
        }
    }
}

impl Claims {
    /// The owner's view holds nothing back: of a shared password nobody can tell whose it was. But beside robots alone
    /// it is people who have it, and without them nothing is released.
    pub(crate) fn new(team: &Team, when: When, states: &[ViewState], absent: &BTreeSet<ViewName>) -> Self {
        let (owner, releaser) = (ViewName::owner(), ViewName::releaser());
        let counted = states.iter().filter(|state| state.view != owner && state.view != releaser);
        let claimant = |state: &ViewState| {
            let member = team.members.iter().find(|member| member.view == state.view);
            Claimant {
                state: state.clone(),
                robot: member.is_some_and(|member| member.robot),
                mirrors: member.is_some_and(|member| member.mirrors),
                member: member.is_some(),
                active: !absent.contains(&state.view),
            }
        };
        let robots = team.members.iter().all(|member| member.robot);
        let people = states.iter().find(|state| robots && team.shared && state.view == owner);
        let has_joined = |view: &ViewName| states.iter().any(|state| state.view == *view);
        Self {
            when,
            claimants: counted.map(claimant).collect(),
            robots_alone: robots && !team.shared,
            people: people.cloned(),
            waiting: !team.members.iter().all(|member| has_joined(&member.view)),
        }
    }

    /// Whether anything can be released at all.
    pub(crate) fn decide(&self) -> bool {
        let anybody = self.claimants.iter().any(|claimant| claimant.member && claimant.active);
        !self.waiting && anybody && self.when != When::Never
    }

    pub(crate) fn verdict(&self, uid: Uid) -> Verdict {
        if !self.decide() {
            return Verdict::Kept;
        }
        if self.is_wanted(uid) {
            return Verdict::Wanted;
        }
        let counts = |claimant: &&Claimant| claimant.member && (self.robots_alone || !claimant.robot);
        let had = |claimant: &Claimant| has_had(&claimant.state, uid);
        let people = self.people.as_ref().is_some_and(|people| has_had(people, uid));
        if !people && !self.claimants.iter().filter(counts).any(had) {
            return Verdict::Unread;
        }
        let wanted = self.claimants.iter().any(|claimant| claimant.active && claimant.state.wants(uid));
        Verdict::Released(if wanted { Why::AllFetched } else { Why::AllDone })
    }

    /// Whether somebody has a claim on a message, released before or not.
    fn is_wanted(&self, uid: Uid) -> bool {
        self.claimants.iter().any(|claimant| claimant.holds(uid, self.when))
    }

    /// Whether what was released must stay for now: somebody has come since who lists it and has not had it, or will; or
    /// the team lets nothing go any more.
    pub(crate) fn recalls(&self, uid: Uid) -> bool {
        self.when == When::Never || self.waiting || self.is_wanted(uid)
    }

    /// Which messages one view holds back: of what is not released none as long as nothing can be, whoever wants it.
    pub(crate) fn held_by(&self, view: &ViewName) -> impl Fn(Uid, bool) -> bool {
        let claimant = self.claimants.iter().find(|claimant| claimant.state.view == *view);
        let claimant = claimant.filter(|_| self.when != When::Never);
        let decides = self.decide();
        move |uid, is_released| {
            claimant.is_some_and(|claimant| (decides || is_released) && claimant.holds(uid, self.when))
        }
    }
}
