package main

import (
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
)

type identityCase struct {
	Identity string `json:"identity"`
	Go       bool   `json:"go"`
}

func identities(_ *pair) {
	var list []identityCase
	for _, s := range []string{
		"*", "", "x509.subject:", "x509.subject", "x509.subject: C=US, ST=WA, O=Example", "x509.subject:C=US,ST=WA,O=Example,CN=a\\,b",
		"x509.subject: C=US; S=WA; O=Example", "x509.subject: C=US, S=WA, ST=WA, O=Example", "x509.subject: c=US, ST=WA, O=Example",
		"x509.subject: C=US, ST=WA", "x509.subject: C=US, ST=WA, O=Example+OU=x", "x509.subject: C=US, ST=WA, O=Example, O=Other",
		"x509.subject: C=US, ST=WA, O=Example, CN=#00", "x509.subject: C=US, ST=WA, O=Example, CN=\\#00", "x509.subject: C=US, ST=WA, O=Example, CN=a=#b",
		"x509.subject: C=US, ST=WA, O=", "x509.subject: C=US, ST=WA, O=Example, CN=", "x509.subject: C=US, ST=WA, O=Example,", "x509.subject: C=US, ST=WA, O=Ex\\",
		"x509.subject: C=US, ST=WA, O=Ex\\41mple", "x509.subject: C=US, ST=WA, O=Ex\\zzmple", "x509.subject: C=US, ST=WA, O=Ex\\=mple", "x509.subject: C=US, ST=WA, O=\\ Example\\ ",
		"x509.subject: C=US, ST=WA, O=Example, OU", "x509.subject: C=US, ST=WA, O=Example, emailAddress=a", "other: x",
	} {
		doc := trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{Name: "a", RegistryScopes: []string{"*"}, SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: "strict"}, TrustStores: []string{"ca:a"}, TrustedIdentities: []string{s}}}}
		list = append(list, identityCase{s, doc.Validate() == nil})
	}
	write("identities.json", []byte(pretty(list)))
}
