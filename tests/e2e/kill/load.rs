use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use restante_tests::{Appliance, Client, PASSWORD, stuffed};

use crate::Chance;
use crate::book::{Book, USERS, message, number_of};

/// Clients that send and clients that collect, each until the server is gone.
pub(crate) fn start(appliance: &Appliance, book: &Arc<Book>, mut chance: Chance) -> Vec<JoinHandle<()>> {
    let mut workers = Vec::new();
    for worker in 0..6 {
        let (book, smtp, pop3) = (book.clone(), appliance.smtp, appliance.pop3);
        let mut own = Chance(chance.below(1 << 31) + worker);
        workers.push(thread::spawn(move || {
            // Whatever goes wrong on the wire is the plug; what the server says is checked where it is read.
            let _ = if worker < 4 { send(smtp, &book, &mut own) } else { fetch(pop3, &book, &mut own) };
        }));
    }
    workers
}

fn send(address: SocketAddr, book: &Book, chance: &mut Chance) -> io::Result<()> {
    let mut client = Client::try_connect(address)?;
    client.try_reply()?;
    client.try_ask("EHLO load.example")?;
    loop {
        let first = usize::try_from(chance.below(3)).expect("small");
        let second = usize::try_from(chance.below(3)).expect("small");
        let mut to = vec![USERS[first], USERS[second]];
        to.dedup();
        let mut pipelined = "MAIL FROM:<load@client.example>\r\n".to_owned();
        for user in &to {
            pipelined.push_str(&format!("RCPT TO:<{user}@example.test>\r\n"));
        }
        client.try_send(pipelined.as_bytes())?;
        for _ in 0..=to.len() {
            let answer = client.try_reply()?;
            assert!(answer.starts_with("250 "), "{answer}");
        }
        let number = book.sending(&to);
        let message = message(number);
        if number.is_multiple_of(2) {
            let answer = client.try_ask("DATA")?;
            assert!(answer.starts_with("354 "), "{answer}");
            client.try_send(&stuffed(&message))?;
        } else {
            client.try_send(format!("BDAT {} LAST\r\n", message.len()).as_bytes())?;
            client.try_send(&message)?;
        }
        let answer = client.try_reply()?;
        book.answered(number, &answer);
    }
}

fn fetch(address: SocketAddr, book: &Book, chance: &mut Chance) -> io::Result<()> {
    loop {
        let user = USERS[usize::try_from(chance.below(3)).expect("small")];
        let mut client = login(address, user)?;
        let listed = client.try_listing("UIDL")?;
        let mut marked = Vec::new();
        for line in listed.iter().take(12) {
            let octets = client.try_multiline(&format!("RETR {}", line.number))?;
            let number = number_of(&octets);
            book.seen(user, &line.value, number);
            if chance.below(3) == 0 {
                let answer = client.try_command(&format!("DELE {}", line.number))?;
                assert!(answer.starts_with("+OK"), "{answer}");
                marked.push(number);
            }
        }
        quit(client, book, user, &marked)?;
    }
}

/// Says QUIT over these, and writes down what it was told.
pub(crate) fn quit(mut client: Client, book: &Book, user: &'static str, marked: &[u64]) -> io::Result<()> {
    book.deleting(user, marked);
    let answer = client.try_command("QUIT")?;
    assert!(answer.starts_with("+OK"), "{answer}");
    book.deleted(user, marked);
    Ok(())
}

pub(crate) fn login(address: SocketAddr, user: &str) -> io::Result<Client> {
    let mut client = Client::try_connect(address)?;
    client.try_line()?;
    client.try_command(&format!("USER {user}"))?;
    let answer = client.try_command(&format!("PASS {PASSWORD}"))?;
    assert!(answer.starts_with("+OK"), "{answer}");
    Ok(client)
}
