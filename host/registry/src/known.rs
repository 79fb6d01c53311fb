//! Registries that everybody uses, whose hosts are not the one in the image reference. The only built-in host names.
//!
//! Everything else is named by configuration (`hosts.<registry>.redirectHosts`, `.tokenHosts`), which also adds to
//! these.

/// A registry with more than one host.
#[derive(Debug)]
pub(crate) struct Known {
    /// The name in normalised image references.
    pub(crate) name: &'static str,
    /// Other names of the same registry.
    pub(crate) aliases: &'static [&'static str],
    /// The host that answers `/v2/`.
    pub(crate) api: &'static str,
    /// Hosts that a token realm may name.
    pub(crate) token_hosts: &'static [&'static str],
    /// Hosts that a blob may be redirected to.
    pub(crate) redirect_hosts: &'static [&'static str],
}

static KNOWN: [Known; 4] = [
    Known {
        name: "docker.io",
        aliases: &["index.docker.io", "registry-1.docker.io"],
        api: "registry-1.docker.io",
        token_hosts: &["auth.docker.io"],
        // Docker's list of hosts to allow (docs.docker.com/desktop/setup/allow-list).
        redirect_hosts: &[
            "production.cloudflare.docker.com",
            "production.cloudfront.docker.com",
            "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
        ],
    },
    // Docker Hub's Notary server, which has the Hub's token realm.
    Known {
        name: "notary.docker.io",
        aliases: &[],
        api: "notary.docker.io",
        token_hosts: &["auth.docker.io"],
        redirect_hosts: &[],
    },
    Known {
        name: "ghcr.io",
        aliases: &[],
        api: "ghcr.io",
        token_hosts: &[],
        redirect_hosts: &["pkg-containers.githubusercontent.com"],
    },
    Known {
        name: "quay.io",
        aliases: &[],
        api: "quay.io",
        token_hosts: &[],
        // Red Hat's lists of hosts to allow (access.redhat.com/node/7001746; OpenShift, "Configuring your firewall").
        redirect_hosts: &[
            "cdn.quay.io",
            "cdn01.quay.io",
            "cdn02.quay.io",
            "cdn03.quay.io",
            "cdn04.quay.io",
            "cdn05.quay.io",
            "cdn06.quay.io",
        ],
    },
];

/// The registry with this name, if it is one of the well-known ones.
pub(crate) fn known(registry: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == registry || known.aliases.contains(&registry))
}

/// One name for one registry: `index.docker.io` and `registry-1.docker.io` are `docker.io`.
pub(crate) fn canonical(registry: &str) -> &str {
    known(registry).map_or(registry, |known| known.name)
}
