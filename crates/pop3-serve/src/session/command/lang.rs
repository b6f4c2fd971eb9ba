use super::{Command, Context, No, Refusal};

/// LANG [tag] (RFC 6856 §3.2). Only English is spoken, which is also the default that `*` and `i-default`
/// ask for.
pub(super) fn run(command: &Command<'_>, context: &mut Context<'_, '_>) -> Result<(), No> {
    match command.word("LANG [tag]")? {
        None => {
            context.responses.ok(format_args!("languages"));
            context.responses.line(format_args!("en English"));
            context.responses.line(format_args!("i-default English"));
            context.responses.end();
            Ok(())
        }
        Some(tag) if tag == b"*" || is_english(tag) => {
            context.responses.ok(format_args!("en English"));
            Ok(())
        }
        Some(tag) if tag.eq_ignore_ascii_case(b"i-default") => {
            context.responses.ok(format_args!("i-default English"));
            Ok(())
        }
        Some(_) => Err(Refusal::Language.into()),
    }
}

/// `en`, or `en-` and something (RFC 4647 §3.4: a range falls back to what it begins with).
fn is_english(tag: &[u8]) -> bool {
    let (language, more) = tag.split_at(tag.len().min(2));
    language.eq_ignore_ascii_case(b"en") && more.first().is_none_or(|octet| *octet == b'-')
}
