use mail::{Cut, Envelope, RuledField, header_fields};
use queue::{Incoming, StoreError};

/// Fields of one message at most; the limits of a header section are near it.
const MOST: usize = 2_000;

/// Finds the fields that some recipient's ruling hides or changes, in the first `header` octets of a message. The
/// message is read again only where there are such rulings.
pub(super) async fn ruled<I: Incoming>(
    envelope: &Envelope,
    header: u64,
    content: &mut I,
) -> Result<Vec<RuledField>, StoreError> {
    let rulings = || envelope.recipients.iter().filter_map(|to| to.ruling.as_ref());
    let tagged = rulings().any(|ruling| !ruling.tags.is_empty());
    let removed: Vec<&String> = rulings().flat_map(|ruling| &ruling.remove).collect();
    if !tagged && removed.is_empty() {
        return Ok(Vec::new());
    }
    let section = section(header, content).await?;
    let fields = header_fields(&section).filter_map(|field| {
        let subject = tagged && field.is("subject");
        if !subject && !removed.iter().any(|name| field.is(name)) {
            return None;
        }
        // Some 100 KiB of header are far below 4 GiB.
        let at = u32::try_from(field.place.start).ok()?;
        let octets = u32::try_from(field.place.len()).ok()?;
        let value = if subject { field.unfolded(RuledField::VALUE_MAX) } else { Vec::new() };
        let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
        Some(RuledField { name, cut: Cut { at, octets }, value })
    });
    Ok(fields.take(MOST).collect())
}

/// The header section, or as much of it as was asked for.
pub(super) async fn section<I: Incoming>(most: u64, content: &mut I) -> Result<Vec<u8>, StoreError> {
    let mut section = Vec::new();
    loop {
        let left = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(section.len());
        let chunk = content.reread(section.len() as u64).await?;
        let chunk = &chunk[..chunk.len().min(left)];
        if chunk.is_empty() {
            return Ok(section);
        }
        // The empty line may stand across two chunks.
        let from = section.len().saturating_sub(3);
        section.extend_from_slice(chunk);
        if memchr::memmem::find(&section[from..], b"\r\n\r\n").is_some() {
            return Ok(section);
        }
    }
}

#[cfg(test)]
mod tests {
    use mail::Ruling;
    use queue::contract::envelope;
    use queue::{MemoryStore, Store};

    use super::*;

    async fn found(ruling: Ruling, message: &str, most: u64) -> Vec<RuledField> {
        let mut envelope = envelope(&["alice", "bob"]);
        envelope.recipients[1].ruling = Some(ruling);
        let mut incoming = MemoryStore::new().incoming(None).expect("admitted");
        incoming.write(message.as_bytes()).await.expect("taken");
        ruled(&envelope, most, &mut incoming).await.expect("readable")
    }

    #[tokio::test]
    async fn only_what_a_ruling_names_is_kept_and_of_the_subject_its_value() {
        let message = "X-Old: 1\r\nSubject: a\r\n b\r\nX-OLD: 2\r\n\r\nSubject: c\r\n";
        let removing = || Ruling { remove: vec!["x-old".into()], ..Ruling::default() };
        let tagging = Ruling { tags: vec!["[t]".into()], ..Ruling::default() };
        let places = |fields: &[RuledField]| -> Vec<String> {
            let text = |field: &RuledField| {
                let (at, octets) = (field.cut.at as usize, field.cut.octets as usize);
                format!("{}={}", field.name, &message[at..at + octets])
            };
            fields.iter().map(text).collect()
        };
        assert_eq!(found(Ruling::default(), message, 1000).await, []);
        let old = found(removing(), message, 1000).await;
        assert_eq!(places(&old), ["x-old=X-Old: 1\r\n", "x-old=X-OLD: 2\r\n"]);
        let subject = found(tagging, message, 1000).await;
        assert_eq!(places(&subject), ["subject=Subject: a\r\n b\r\n"]);
        assert_eq!((subject[0].value.as_slice(), old[0].value.as_slice()), (&b"a b"[..], &b""[..]));
        assert_eq!(places(&found(removing(), message, 20).await), ["x-old=X-Old: 1\r\n"], "no more is read");
    }
}
