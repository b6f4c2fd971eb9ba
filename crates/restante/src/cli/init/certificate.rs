use std::time::SystemTime;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A certificate and its key in PEM.
pub(super) struct Made {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// How long it is good for: nobody renews a certificate that nobody trusts, so it must not run out first.
const YEARS: i32 = 10;

/// A certificate for one name that is its own issuer.
pub(super) fn self_signed(hostname: &str) -> Result<Made, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![hostname.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, hostname);
    // From the first of the month: clocks that are a little behind take it too.
    let (year, month) = this_month();
    params.not_before = date_time_ymd(year, month, 1);
    params.not_after = date_time_ymd(year + YEARS, month, 1);
    let certificate = params.self_signed(&key)?;
    Ok(Made { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// By UTC.
fn this_month() -> (i32, u8) {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let mut fields = now.split('-');
    let year = fields.next().and_then(|year| year.parse().ok());
    let month = fields.next().and_then(|month| month.parse().ok());
    // A clock past the year 9999 gives a certificate of long ago, which mail programs ask about all the same.
    year.zip(month).unwrap_or((1970, 1))
}
