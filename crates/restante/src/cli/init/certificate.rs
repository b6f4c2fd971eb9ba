use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A certificate and its key in PEM.
pub(super) struct Made {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// How long it is good for: nobody renews a certificate that nobody trusts, so it must not run out first.
const YEARS: i16 = 10;

/// A certificate for one name that is its own issuer.
pub(super) fn self_signed(hostname: &str) -> Result<Made, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![hostname.to_owned()])?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, hostname);
    // From the first of the month: clocks that are a little behind take it too.
    let today = jiff::Zoned::now().date();
    let (year, month) = (i32::from(today.year()), today.month().unsigned_abs());
    params.not_before = date_time_ymd(year, month, 1);
    params.not_after = date_time_ymd(year + i32::from(YEARS), month, 1);
    let certificate = params.self_signed(&key)?;
    Ok(Made { certificate: certificate.pem(), key: key.serialize_pem() })
}
