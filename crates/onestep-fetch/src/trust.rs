//! Whom an encrypted connection believes.

use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

/// The same settings, with the certificates that the system believes, and with them those of a company whose proxy stands between its
/// people and the world. Where the system has none, as in a bare container, the ones that Mozilla believes, which are built in.
///
/// `SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as for most programs.
#[cfg(feature = "tls")]
pub(crate) fn as_the_system(config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    use std::sync::OnceLock;

    use ureq::tls::{Certificate, RootCerts, TlsConfig};

    // A hundred and more files are read: once, not for every connection.
    static ROOTS: OnceLock<RootCerts> = OnceLock::new();
    let roots = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            RootCerts::WebPki
        } else {
            RootCerts::from(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()))
        }
    });
    config.tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
}

/// The same settings: a build without TLS opens no encrypted connection.
#[cfg(not(feature = "tls"))]
pub(crate) fn as_the_system(config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    config
}
