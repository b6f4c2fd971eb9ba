use crate::chance::Chance;
use crate::client::{Device, Habit};
use crate::spec::{DAY, From, Member, Ms, Rule};
use crate::world::Office;

/// Everybody who may ever join.
pub(crate) const PEOPLE: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "robot", "importer"];

/// A rule, and nobody yet.
pub(crate) fn office(chance: &mut Chance, moved: bool) -> Office {
    let hold = if moved { *chance.pick(&[0, DAY / 24, 3 * DAY, 14 * DAY]) } else { 0 };
    let max_age = moved.then(|| *chance.pick(&[None, None, Some(40 * DAY), Some(90 * DAY)])).flatten();
    let absent = *chance.pick(&[None, None, None, Some(20 * DAY)]);
    let rule = Rule { fetching: !chance.one_in(4), hold, max_age, absent };
    Office { members: Vec::new(), people: PEOPLE.to_vec(), collects: "alice", rule, trash: 7 * DAY }
}

/// Somebody who joins now.
pub(crate) fn member(name: &str, now: Ms, moved: bool, chance: &mut Chance) -> Member {
    let robot = name == "robot" || name == "importer";
    let back = if moved { From::Back(5 * DAY) } else { From::All };
    let from = *chance.pick(&[From::All, From::All, From::Now, back]);
    Member { robot, mirrors: !robot && chance.one_in(3), from, joined: now, left: None, last_login: now }
}

/// What she collects with. Alice has her own login too, which shows both.
pub(crate) fn devices(name: &str, chance: &mut Chance) -> Vec<Device> {
    let login = format!("{name}/sales");
    if name == "robot" || name == "importer" {
        let habit = if name == "robot" { Habit::Numbers } else { Habit::Delete };
        return vec![Device::new(name, &login, habit)];
    }
    let habits = [
        Habit::Keep,
        Habit::Delete,
        Habit::DeleteAfter(chance.below(6) * DAY),
        Habit::Mirror,
        Habit::Top(false),
        Habit::Top(true),
        Habit::Pipeline,
    ];
    let mut devices = vec![Device::new(name, &login, *chance.pick(&habits))];
    if name == "alice" {
        devices.push(Device::new(name, name, *chance.pick(&habits)));
    } else if chance.one_in(2) {
        devices.push(Device::new(name, &login, *chance.pick(&habits)));
    }
    devices
}
