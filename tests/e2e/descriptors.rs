//! A process that has no file descriptor left: peers are told so, nothing spins, nothing that was acknowledged
//! is lost, and all is well again as soon as descriptors are free.

use std::thread;
use std::time::{Duration, Instant};

use restante_tests::{Appliance, Client, Setup, below, collect, deliver, pop3, smtp};

/// What the store and four listeners take, and a few connections.
const DESCRIPTORS: usize = 64;
const CROWD: usize = 200;
const SOON: Duration = Duration::from_secs(20);

fn narrow() -> Appliance {
    let limit = format!("ulimit -n {DESCRIPTORS}; exec \"$@\"");
    let wrapper = ["sh", "-c", &limit, "sh"].map(str::to_owned).into();
    Appliance::with(Setup { wrapper, ..Setup::default() })
}

/// Connects until nobody is let in any more: those who were, and how the others were answered.
fn crowd(appliance: &Appliance) -> (Vec<Client>, Vec<String>) {
    let (mut inside, mut turned_away) = (Vec::new(), Vec::new());
    for number in 0..CROWD {
        let place = if number % 4 == 3 { appliance.pop3 } else { appliance.smtp };
        let mut client = Client::connect(place);
        let line = client.line().expect("nobody is left without a word");
        if line.starts_with("220 ") || line.starts_with("+OK ") {
            inside.push(client);
        } else {
            assert_eq!(client.line(), None);
            turned_away.push(line);
        }
    }
    (inside, turned_away)
}

#[test]
fn without_descriptors_peers_are_told_and_nothing_is_lost() {
    let mut appliance = narrow();
    let mut sender = smtp(appliance.smtp);
    let mut taken = vec![b"Subject: before\r\n\r\n".to_vec()];
    assert!(deliver(&mut sender, &["alice@example.test"], &taken[0]).starts_with("250 "));
    let mut reader = pop3(appliance.pop3, "bob");
    let (mut inside, turned_away) = crowd(&appliance);
    assert!(turned_away.len() > CROWD / 2, "{}", turned_away.len());
    for answer in &turned_away {
        let known = ["421 4.3.2 no room for", "-ERR [SYS/TEMP] no room for"];
        assert!(known.iter().any(|known| answer.starts_with(known)), "{answer}");
    }

    // Who is inside is served: the log goes on into its next segment.
    for number in 0..40 {
        let message = [format!("Subject: {number}\r\n\r\n").into_bytes(), b"x\r\n".repeat(700_000)].concat();
        let answer = deliver(&mut sender, &["alice@example.test"], &message);
        if answer.starts_with("250 ") {
            taken.push(message);
        } else {
            assert!(answer.starts_with("45"), "{answer}");
        }
    }
    assert!(taken.len() > 30, "there are descriptors for the log");
    assert!(reader.command("STAT").starts_with("+OK 0 "));

    // While others knock, now and then, there is nothing to do but to say no.
    let (before, since) = (appliance.cpu_time(), Instant::now());
    let mut told = 0;
    while since.elapsed() < Duration::from_secs(3) {
        let mut client = Client::connect(appliance.smtp);
        let answer = client.line().expect("an answer");
        // A file may have been closed in the meantime.
        if answer.starts_with("220 ") {
            inside.push(client);
        } else {
            assert!(answer.starts_with("421 4.3.2 "), "{answer}");
            told += 1;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(told > 20, "{told}");
    let busy = (appliance.cpu_time() - before).as_secs_f64() / since.elapsed().as_secs_f64();

    assert!(busy < 0.2, "{:.0} % of a processor", busy * 100.0);

    drop((inside, reader));
    let until = Instant::now() + SOON;
    while !Client::connect(appliance.smtp).line().expect("an answer").starts_with("220 ") {
        assert!(Instant::now() < until, "nobody is let in again");
        thread::sleep(Duration::from_millis(20));
    }
    let mut client = smtp(appliance.smtp);
    let last = b"Subject: after\r\n\r\n".to_vec();
    let answer = deliver(&mut client, &["alice@example.test"], &last);
    assert!(answer.starts_with("250 "), "{answer}");
    taken.push(last);
    assert!(appliance.stop().success());
    let log = appliance.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(log.contains("raise LimitNOFILE"), "{log}");
    appliance.restart();
    kept(&appliance, &taken);
}

/// What was acknowledged is there, octet for octet, once.
fn kept(appliance: &Appliance, taken: &[Vec<u8>]) {
    let mut wanted = taken.to_vec();
    let found = collect(appliance.pop3, "alice", wanted.len());
    let mut found: Vec<Vec<u8>> = found.iter().map(|one| below(&one.octets).1.to_vec()).collect();
    found.sort();
    wanted.sort();
    assert!(found == wanted, "what was acknowledged is not what is there");
}
