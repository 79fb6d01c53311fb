// Makes the fixtures. Usage: fix <out dir>
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	nx509 "github.com/notaryproject/notation-core-go/x509"
	"golang.org/x/crypto/ocsp"
)

var out string
var serial int64 = 1000

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
func write(name string, b []byte) {
	p := filepath.Join(out, name)
	os.MkdirAll(filepath.Dir(p), 0o755)
	if err := os.WriteFile(p, b, 0o644); err != nil {
		panic(err)
	}
}

type pair struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var from = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
var until = time.Date(2046, 1, 1, 0, 0, 0, 0, time.UTC)
var oidKU = asn1.ObjectIdentifier{2, 5, 29, 15}
var oidEKU = asn1.ObjectIdentifier{2, 5, 29, 37}

func ec(c elliptic.Curve) crypto.Signer { return must(ecdsa.GenerateKey(c, rand.Reader)) }
func rs(bits int) crypto.Signer         { return must(rsa.GenerateKey(rand.Reader, bits)) }

func subject(cn string) pkix.Name {
	return pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Locality: []string{"Seattle"}, Organization: []string{"Bulla Test"}, CommonName: cn}
}

type tmpl func(*x509.Certificate)

func issue(name pkix.Name, key crypto.Signer, parent *pair, mods ...tmpl) *pair {
	serial++
	t := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: name, NotBefore: from, NotAfter: until}
	for _, m := range mods {
		m(t)
	}
	p := &pair{key: key}
	issuer, signer := t, key
	if parent != nil {
		issuer, signer = parent.cert, parent.key
	}
	der := must(x509.CreateCertificate(rand.Reader, t, issuer, key.Public(), signer))
	p.cert = must(x509.ParseCertificate(der))
	return p
}
func ca(pathLen int) tmpl {
	return func(c *x509.Certificate) {
		c.BasicConstraintsValid, c.IsCA = true, true
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		c.MaxPathLen = pathLen
		c.MaxPathLenZero = pathLen == 0
	}
}
func leaf(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }
func codeSigning(c *x509.Certificate) {
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
}
func eku(e ...x509.ExtKeyUsage) tmpl { return func(c *x509.Certificate) { c.ExtKeyUsage = e } }
func ku(k x509.KeyUsage) tmpl         { return func(c *x509.Certificate) { c.KeyUsage = k } }
func addr(crl, ocspURL []string) tmpl {
	return func(c *x509.Certificate) { c.CRLDistributionPoints, c.OCSPServer = crl, ocspURL }
}
func ext(id asn1.ObjectIdentifier, critical bool, v []byte) tmpl {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: v})
	}
}
func criticalEKU(critical bool, ids ...asn1.ObjectIdentifier) tmpl {
	return ext(oidEKU, critical, must(asn1.Marshal(ids)))
}
func plainKU(bits byte, unused int) tmpl {
	return func(c *x509.Certificate) {
		c.KeyUsage = 0
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidKU, Critical: false, Value: must(asn1.Marshal(asn1.BitString{Bytes: []byte{bits}, BitLength: 8 - unused}))})
	}
}
func pemOf(ps ...*pair) []byte {
	var b []byte
	for _, p := range ps {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Raw})...)
	}
	return b
}
func keyPem(k crypto.Signer) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(k))})
}

type chainCase struct {
	Name   string   `json:"name"`
	Rules  string   `json:"rules"`
	Go     string   `json:"go"`
	Expect string   `json:"expect"`
	Chain  []string `json:"chain"`
}

var cases []chainCase

func chain(name, rules, expect string, ps ...*pair) {
	c := chainCase{Name: name, Rules: rules, Expect: expect}
	var certs []*x509.Certificate
	for _, p := range ps {
		c.Chain = append(c.Chain, base64.StdEncoding.EncodeToString(p.cert.Raw))
		certs = append(certs, p.cert)
	}
	var err error
	if rules == "codeSigning" {
		err = nx509.ValidateCodeSigningCertChain(certs, nil)
	} else {
		err = nx509.ValidateTimestampingCertChain(certs)
	}
	c.Go = "accepted"
	if err != nil {
		c.Go = "refused"
	}
	if (err == nil) != (expect == "") {
		fmt.Println("differs from notation-core-go:", name, "->", err)
	}
	cases = append(cases, c)
}



func sign(mt, payload string, p []*pair, scheme signature.SigningScheme, at time.Time, expiry time.Time, ext []signature.Attribute) []byte {
	var certs []*x509.Certificate
	for _, c := range p {
		certs = append(certs, c.cert)
	}
	s := must(signature.NewLocalSigner(certs, p[0].key))
	env := must(signature.NewEnvelope(mt))
	return must(env.Sign(&signature.SignRequest{
		Payload:                  signature.Payload{ContentType: "application/vnd.cncf.notary.payload.v1+json", Content: []byte(payload)},
		Signer:                   s,
		SigningTime:              at,
		Expiry:                   expiry,
		SigningScheme:            scheme,
		SigningAgent:             "bulla fixtures",
		ExtendedSignedAttributes: ext,
	}))
}

const payload = `{"targetArtifact":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:c0669ef34cdc14332c0f1ab0c2c01acb91d96014b172f1a76f3a39e63d1f0bda","size":528,"annotations":{"team":"builders"}}}`

func run(dir, name string, args ...string) {
	c := exec.Command(name, args...)
	c.Dir = dir
	if b, err := c.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%s %v: %v\n%s", name, args, err, b))
	}
}

// timestamp asks openssl for a token over these octets.
func timestamp(dir string, tsa *pair, inters []*pair, message []byte, hash string, policy string, extra string) []byte {
	os.WriteFile(dir+"/tsa.pem", pemOf(tsa), 0o600)
	os.WriteFile(dir+"/tsachain.pem", pemOf(inters...), 0o600)
	os.WriteFile(dir+"/tsa.key", keyPem(tsa.key), 0o600)
	os.WriteFile(dir+"/serial", []byte("01\n"), 0o600)
	os.WriteFile(dir+"/ts.cnf", []byte(`[tsa]
default_tsa = t
[t]
serial = `+dir+`/serial
signer_cert = `+dir+`/tsa.pem
certs = `+dir+`/tsachain.pem
signer_key = `+dir+`/tsa.key
signer_digest = sha256
default_policy = `+policy+`
digests = sha256, sha384, sha512
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
`+extra), 0o600)
	os.WriteFile(dir+"/msg", message, 0o600)
	run(dir, "openssl", "ts", "-query", "-data", "msg", "-"+hash, "-cert", "-out", "q.tsq")
	run(dir, "openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "q.tsq", "-token_out", "-out", "token.der")
	return must(os.ReadFile(dir + "/token.der"))
}

func withToken(jwsEnv []byte, token []byte) []byte {
	var m map[string]any
	if err := json.Unmarshal(jwsEnv, &m); err != nil {
		panic(err)
	}
	m["header"].(map[string]any)["io.cncf.notary.timestampSignature"] = base64.StdEncoding.EncodeToString(token)
	return must(json.Marshal(m))
}
func rawSignature(jwsEnv []byte) []byte {
	var m map[string]any
	json.Unmarshal(jwsEnv, &m)
	return must(base64.RawURLEncoding.DecodeString(m["signature"].(string)))
}

func main() {
	out = os.Args[1]
	tmp := must(os.MkdirTemp("", "notation-fix"))
	defer os.RemoveAll(tmp)
	root := issue(subject("root"), ec(elliptic.P256()), nil, ca(-1))
	crlURL, ocspURL := []string{"http://pki.example/ca.crl"}, []string{"http://ocsp.example/"}
	inter := issue(subject("intermediate"), rs(2048), root, ca(0), addr([]string{"http://pki.example/root.crl"}, nil), func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA256 })
	write("root.pem", pemOf(root))
	write("intermediate.pem", pemOf(inter))
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	exp := time.Date(2036, 6, 1, 12, 0, 0, 0, time.UTC)
	keys := []struct {
		name string
		key  crypto.Signer
	}{{"rsa2048", rs(2048)}, {"rsa3072", rs(3072)}, {"rsa4096", rs(4096)}, {"p256", ec(elliptic.P256())}, {"p384", ec(elliptic.P384())}, {"p521", ec(elliptic.P521())}}
	leaves := map[string]*pair{}
	for _, k := range keys {
		l := issue(subject(k.name), k.key, inter, leaf, codeSigning, addr(crlURL, nil))
		leaves[k.name] = l
		c := []*pair{l, inter, root}
		write("envelopes/"+k.name+".jws", sign(jws.MediaTypeEnvelope, payload, c, signature.SigningSchemeX509, at, exp, nil))
		write("envelopes/"+k.name+".cose", sign(cose.MediaTypeEnvelope, payload, c, signature.SigningSchemeX509, at, exp, nil))
	}
	p256 := leaves["p256"]
	write("p256.key", keyPem(p256.key))
	write("p256.pem", pemOf(p256))
	write("rsa3072.pem", pemOf(leaves["rsa3072"]))
	c := []*pair{p256, inter, root}
	write("envelopes/authority.jws", sign(jws.MediaTypeEnvelope, payload, c, signature.SigningSchemeX509SigningAuthority, at, time.Time{}, nil))
	write("envelopes/authority.cose", sign(cose.MediaTypeEnvelope, payload, c, signature.SigningSchemeX509SigningAuthority, at, time.Time{}, nil))
	plugin := []signature.Attribute{{Key: "io.cncf.notary.verificationPlugin", Critical: true, Value: "example"}}
	write("envelopes/plugin.jws", sign(jws.MediaTypeEnvelope, payload, c, signature.SigningSchemeX509, at, exp, plugin))
	write("envelopes/plugin.cose", sign(cose.MediaTypeEnvelope, payload, c, signature.SigningSchemeX509, at, exp, plugin))
	self := issue(subject("self"), ec(elliptic.P256()), nil, leaf, codeSigning)
	write("self.pem", pemOf(self))
	write("same-key.pem", pemOf(issue(subject("same key"), p256.key, nil, leaf)))
	write("envelopes/self.jws", sign(jws.MediaTypeEnvelope, payload, []*pair{self}, signature.SigningSchemeX509, at, exp, nil))
	// OCSP only; expired leaf.
	oleaf := issue(subject("ocsp"), ec(elliptic.P256()), inter, leaf, addr(nil, ocspURL))
	write("envelopes/ocsp.jws", sign(jws.MediaTypeEnvelope, payload, []*pair{oleaf, inter, root}, signature.SigningSchemeX509, at, exp, nil))
	both := issue(subject("both"), ec(elliptic.P256()), inter, leaf, addr(crlURL, ocspURL))
	write("envelopes/both.jws", sign(jws.MediaTypeEnvelope, payload, []*pair{both, inter, root}, signature.SigningSchemeX509, at, exp, nil))

	// Timestamps.
	troot := issue(subject("tsa root"), ec(elliptic.P256()), nil, ca(-1))
	tinter := issue(subject("tsa intermediate"), ec(elliptic.P256()), troot, ca(0))
	tsEKU := criticalEKU(true, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8})
	tsa := issue(subject("tsa"), ec(elliptic.P256()), tinter, leaf, tsEKU)
	tsaPlain := issue(subject("tsa plain"), ec(elliptic.P256()), tinter, leaf, criticalEKU(false, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}))
	tsaRSA := issue(subject("tsa rsa"), rs(2048), tinter, leaf, tsEKU, addr([]string{"http://pki.example/tsa.crl"}, nil))
	write("tsa-root.pem", pemOf(troot))
	env := must(os.ReadFile(out + "/envelopes/p256.jws"))
	token := timestamp(tmp, tsa, []*pair{tinter}, rawSignature(env), "sha256", "1.2.3.4.1", "accuracy = secs:1, millisecs:500\nclock_precision_digits = 3\n")
	write("tokens/p256.der", token)
	write("envelopes/timestamped.jws", withToken(env, token))
	// The same question, answered with the whole response.
	run(tmp, "openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "q.tsq", "-out", "response.tsr")
	write("tokens/response.tsr", must(os.ReadFile(tmp+"/response.tsr")))
	write("tokens/nonce.hex", []byte(nonceOf(must(os.ReadFile(tmp+"/q.tsq")))+"\n"))
	write("envelopes/timestamped-other.jws", withToken(must(os.ReadFile(out+"/envelopes/rsa2048.jws")), token))
	write("tokens/rsa.der", timestamp(tmp, tsaRSA, []*pair{tinter}, rawSignature(env), "sha512", "0.4.0.2023.1.1", ""))
	write("tokens/sha1-ess.der", timestampSha1(tmp, tsa, []*pair{tinter}, rawSignature(env)))
	write("tokens/no-intermediate.der", timestamp(tmp, tsa, nil, rawSignature(env), "sha256", "1.2.3.4.1", ""))
	// `openssl ts` does not sign with a certificate whose purpose is not critical, and `openssl cms` does.
	write("tokens/cms.der", countersign(tmp, tsa, tinter, token))
	write("tokens/purpose-not-critical.der", countersign(tmp, tsaPlain, tinter, token))
	// Expired code-signing chain, timestamped in time is impossible to make now: valid only until the past.
	old := issue(subject("old"), ec(elliptic.P256()), inter, leaf, func(c *x509.Certificate) { c.NotAfter = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) })
	oenv := sign(jws.MediaTypeEnvelope, payload, []*pair{old, inter, root}, signature.SigningSchemeX509, at, time.Time{}, nil)
	write("envelopes/old.jws", oenv)
	write("envelopes/old-timestamped.jws", withToken(oenv, timestamp(tmp, tsa, []*pair{tinter}, rawSignature(oenv), "sha256", "1.2.3.4.1", "")))
	soon := issue(subject("soon"), ec(elliptic.P256()), inter, leaf, func(c *x509.Certificate) { c.NotAfter = time.Now().UTC().Truncate(time.Second).Add(24 * time.Hour) })
	senv := sign(jws.MediaTypeEnvelope, payload, []*pair{soon, inter, root}, signature.SigningSchemeX509, at, time.Time{}, nil)
	write("envelopes/soon-timestamped.jws", withToken(senv, timestamp(tmp, tsa, []*pair{tinter}, rawSignature(senv), "sha256", "1.2.3.4.1", "")))

	// CRLs.
	thisU, nextU := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.Date(2045, 1, 1, 0, 0, 0, 0, time.UTC)
	crl := func(name string, by *pair, f func(*x509.RevocationList)) {
		l := &x509.RevocationList{Number: big.NewInt(10), ThisUpdate: thisU, NextUpdate: nextU}
		f(l)
		write("revocation/"+name+".crl", must(x509.CreateRevocationList(rand.Reader, l, by.cert, by.key)))
	}
	inv := func(t time.Time) pkix.Extension {
		return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 24}, Value: must(asn1.MarshalWithParams(t, "generalized"))}
	}
	entry := func(p *pair, reason int, when time.Time, exts ...pkix.Extension) x509.RevocationListEntry {
		return x509.RevocationListEntry{SerialNumber: p.cert.SerialNumber, RevocationTime: when, ReasonCode: reason, ExtraExtensions: exts}
	}
	when := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	ex := func(id asn1.ObjectIdentifier, critical bool, v any, params string) pkix.Extension {
		return pkix.Extension{Id: id, Critical: critical, Value: must(asn1.MarshalWithParams(v, params))}
	}
	crl("empty", inter, func(*x509.RevocationList) {})
	crl("root", root, func(*x509.RevocationList) {})
	crl("tsa", tinter, func(*x509.RevocationList) {})
	crl("tsa-revoked", tinter, func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(tsaRSA, 1, when)} })
	crl("other", inter, func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(root, 1, when)} })
	crl("revoked", inter, func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(root, 1, when), entry(p256, 1, when)} })
	crl("invalid-later", inter, func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(p256, 1, when, inv(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)))} })
	crl("invalid-earlier", inter, func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(p256, 1, when, inv(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)))} })
	crl("hold", inter, func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(p256, 6, when)} })
	freshest := pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 46}, Value: distributionPoint("http://pki.example/delta.crl")}
	crl("base-hold", inter, func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(p256, 6, when)}
		l.ExtraExtensions = []pkix.Extension{freshest}
	})
	indicator := func(n int) pkix.Extension { return ex(asn1.ObjectIdentifier{2, 5, 29, 27}, true, n, "") }
	crl("delta-removed", inter, func(l *x509.RevocationList) {
		l.Number = big.NewInt(11)
		l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(p256, 8, when.Add(time.Hour))}
		l.ExtraExtensions = []pkix.Extension{indicator(10)}
	})
	crl("delta-revoked", inter, func(l *x509.RevocationList) {
		l.Number = big.NewInt(11)
		l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(p256, 1, when.Add(time.Hour))}
		l.ExtraExtensions = []pkix.Extension{indicator(10)}
	})
	crl("delta-old", inter, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{indicator(9)} })
	crl("delta-ahead", inter, func(l *x509.RevocationList) { l.Number = big.NewInt(12); l.ExtraExtensions = []pkix.Extension{indicator(11)} })
	crl("expired", inter, func(l *x509.RevocationList) { l.NextUpdate = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC) })
	crl("future", inter, func(l *x509.RevocationList) { l.ThisUpdate = time.Date(2044, 1, 1, 0, 0, 0, 0, time.UTC) })
	crl("critical", inter, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{ex(asn1.ObjectIdentifier{1, 2, 3, 4}, true, 1, "")} })
	crl("entry-critical", inter, func(l *x509.RevocationList) { l.RevokedCertificateEntries = []x509.RevocationListEntry{entry(p256, 1, when, ex(asn1.ObjectIdentifier{1, 2, 3, 4}, true, 1, ""))} })
	idp := func(v []byte) pkix.Extension { return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: v} }
	crl("scope-here", inter, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{idp(idpName("http://pki.example/ca.crl"))} })
	crl("scope-elsewhere", inter, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{idp(idpName("http://pki.example/b.crl"))} })
	crl("scope-ca", inter, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{idp([]byte{0x30, 3, 0x82, 1, 0xff})} })
	crl("scope-indirect", inter, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{idp([]byte{0x30, 3, 0x84, 1, 0xff})} })
	crl("scope-reasons", inter, func(l *x509.RevocationList) { l.ExtraExtensions = []pkix.Extension{idp([]byte{0x30, 4, 0x83, 2, 6, 0x40})} })
	fake := &pair{cert: inter.cert, key: rs(2048)}
	func() {
		// Signed by another key under the same name.
		other := issue(subject("intermediate"), fake.key, root, ca(0), func(c *x509.Certificate) { c.SubjectKeyId = inter.cert.SubjectKeyId })
		crl("forged", other, func(*x509.RevocationList) {})
	}()

	// OCSP.
	resp := func(name string, t ocsp.Response, issuer *pair, responder *pair, embed bool) {
		if t.ThisUpdate.IsZero() {
			t.ThisUpdate = thisU
		}
		if t.NextUpdate.IsZero() {
			t.NextUpdate = nextU
		}
		if embed {
			t.Certificate = responder.cert
		}
		b := must(ocsp.CreateResponse(issuer.cert, responder.cert, t, responder.key))
		write("revocation/"+name+".ocsp", b)
	}
	ser := oleaf.cert.SerialNumber
	delegate := issue(subject("ocsp responder"), ec(elliptic.P256()), inter, leaf, eku(x509.ExtKeyUsageOCSPSigning))
	plainDelegate := issue(subject("no responder"), ec(elliptic.P256()), inter, leaf)
	lateDelegate := issue(subject("late responder"), ec(elliptic.P256()), inter, leaf, eku(x509.ExtKeyUsageOCSPSigning), func(c *x509.Certificate) { c.NotAfter = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC) })
	strangeDelegate := issue(subject("ocsp responder"), ec(elliptic.P256()), root, leaf, eku(x509.ExtKeyUsageOCSPSigning))
	resp("good", ocsp.Response{Status: ocsp.Good, SerialNumber: ser}, inter, inter, false)
	resp("good-sha256", ocsp.Response{Status: ocsp.Good, SerialNumber: ser, IssuerHash: crypto.SHA256}, inter, inter, false)
	resp("good-sha512", ocsp.Response{Status: ocsp.Good, SerialNumber: ser, IssuerHash: crypto.SHA512}, inter, inter, false)
	resp("revoked", ocsp.Response{Status: ocsp.Revoked, SerialNumber: ser, RevokedAt: when, RevocationReason: 1}, inter, inter, false)
	resp("revoked-invalid-later", ocsp.Response{Status: ocsp.Revoked, SerialNumber: ser, RevokedAt: when, RevocationReason: 1, ExtraExtensions: []pkix.Extension{inv(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))}}, inter, inter, false)
	resp("unknown", ocsp.Response{Status: ocsp.Unknown, SerialNumber: ser}, inter, inter, false)
	resp("other-serial", ocsp.Response{Status: ocsp.Good, SerialNumber: big.NewInt(4711)}, inter, inter, false)
	resp("other-issuer", ocsp.Response{Status: ocsp.Good, SerialNumber: ser}, root, root, false)
	resp("delegate", ocsp.Response{Status: ocsp.Good, SerialNumber: ser}, inter, delegate, true)
	resp("delegate-without-purpose", ocsp.Response{Status: ocsp.Good, SerialNumber: ser}, inter, plainDelegate, true)
	resp("delegate-expired", ocsp.Response{Status: ocsp.Good, SerialNumber: ser}, inter, lateDelegate, true)
	resp("delegate-of-another", ocsp.Response{Status: ocsp.Good, SerialNumber: ser}, inter, strangeDelegate, true)
	resp("expired", ocsp.Response{Status: ocsp.Good, SerialNumber: ser, NextUpdate: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)}, inter, inter, false)
	resp("future", ocsp.Response{Status: ocsp.Good, SerialNumber: ser, ThisUpdate: time.Date(2044, 1, 1, 0, 0, 0, 0, time.UTC)}, inter, inter, false)
	resp("both-revoked", ocsp.Response{Status: ocsp.Revoked, SerialNumber: both.cert.SerialNumber, RevokedAt: when}, inter, inter, false)
	write("revocation/try-later.ocsp", ocsp.TryLaterErrorResponse)
	write("revocation/request.der", must(ocsp.CreateRequest(oleaf.cert, inter.cert, nil)))

	// Chains.
	K := func() crypto.Signer { return ec(elliptic.P256()) }
	mk := func(mods ...tmpl) *pair { return issue(subject("leaf"), K(), root, mods...) }
	chain("three", "codeSigning", "", p256, inter, root)
	chain("no-eku", "codeSigning", "", mk(leaf), root)
	chain("non-repudiation", "codeSigning", "", mk(ku(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment)), root)
	chain("self-signed-leaf", "codeSigning", "", self)
	chain("no-root", "codeSigning", "NoRoot", p256, inter)
	chain("leaf-alone", "codeSigning", "NoRoot", p256)
	chain("reversed", "codeSigning", "Issuer", root, inter, p256)
	chain("left-out", "codeSigning", "Issuer", p256, root)
	chain("root-twice", "codeSigning", "SelfSigned", p256, inter, root, root)
	chain("self-signed-leaf-and-itself", "codeSigning", "NotCa", self, self)
	otherRoot := issue(subject("root"), K(), nil, ca(-1))
	chain("other-root-same-name", "codeSigning", "Signature", p256, inter, otherRoot)
	in0 := issue(subject("in0"), K(), root, ca(0))
	in1 := issue(subject("in1"), K(), in0, ca(-1))
	chain("path-length", "codeSigning", "PathLength", issue(subject("leaf"), K(), in1, leaf), in1, in0, root)
	notCA := issue(subject("not ca"), K(), root, leaf)
	chain("issued-by-leaf", "codeSigning", "NotCa", issue(subject("leaf"), K(), notCA, leaf), notCA, root)
	caFalse := issue(subject("ca false"), K(), root, leaf, func(c *x509.Certificate) { c.BasicConstraintsValid = true })
	chain("issued-by-ca-false", "codeSigning", "NotCa", issue(subject("leaf"), K(), caFalse, leaf), caFalse, root)
	noKU := issue(subject("no ku"), K(), root, ca(0), ku(0))
	chain("ca-no-key-usage", "codeSigning", "NoKeyUsage", issue(subject("leaf"), K(), noKU, leaf), noKU, root)
	plainCA := issue(subject("plain ku"), K(), root, ca(0), plainKU(0x06, 1))
	chain("ca-key-usage-not-critical", "codeSigning", "KeyUsageNotCritical", issue(subject("leaf"), K(), plainCA, leaf), plainCA, root)
	crlOnly := issue(subject("crl only"), K(), root, ca(0), ku(x509.KeyUsageCRLSign))
	chain("ca-no-cert-sign", "codeSigning", "NoCertSign", issue(subject("leaf"), K(), crlOnly, leaf), crlOnly, root)
	chain("leaf-is-ca", "codeSigning", "LeafIsCa", issue(subject("leaf"), K(), root, ca(0), ku(x509.KeyUsageDigitalSignature)), root)
	chain("leaf-no-key-usage", "codeSigning", "LeafNoKeyUsage", mk(), root)
	chain("leaf-key-usage-not-critical", "codeSigning", "LeafKeyUsageNotCritical", mk(plainKU(0x80, 7)), root)
	chain("leaf-no-digital-signature", "codeSigning", "LeafNoDigitalSignature", mk(ku(x509.KeyUsageContentCommitment)), root)
	for n, k := range map[string]x509.KeyUsage{"key-encipherment": x509.KeyUsageKeyEncipherment, "data-encipherment": x509.KeyUsageDataEncipherment, "key-agreement": x509.KeyUsageKeyAgreement, "cert-sign": x509.KeyUsageCertSign, "crl-sign": x509.KeyUsageCRLSign, "encipher-only": x509.KeyUsageEncipherOnly, "decipher-only": x509.KeyUsageDecipherOnly} {
		chain("leaf-"+n, "codeSigning", "LeafKeyUsage", mk(ku(x509.KeyUsageDigitalSignature|k)), root)
	}
	for n, e := range map[string]x509.ExtKeyUsage{"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth, "mail": x509.ExtKeyUsageEmailProtection, "timestamping": x509.ExtKeyUsageTimeStamping, "ocsp": x509.ExtKeyUsageOCSPSigning, "any": x509.ExtKeyUsageAny} {
		chain("leaf-eku-"+n, "codeSigning", "LeafPurpose", mk(leaf, eku(x509.ExtKeyUsageCodeSigning, e)), root)
	}
	chain("leaf-rsa-2056", "codeSigning", "LeafKey", issue(subject("leaf"), rs(2056), root, leaf), root)
	weak := issue(subject("weak"), must(rsa.GenerateKey(rand.Reader, 1024)), root, ca(0))
	chain("weak-ca", "codeSigning", "Certificate", issue(subject("leaf"), K(), weak, leaf), weak, root)
	chain("unknown-critical", "codeSigning", "Certificate", mk(leaf, ext(asn1.ObjectIdentifier{1, 2, 3, 4}, true, []byte{5, 0})), root)
	chain("name-constraints", "codeSigning", "Certificate", issue(subject("leaf"), K(), root, leaf, func(c *x509.Certificate) { c.PermittedDNSDomainsCritical = true; c.PermittedDNSDomains = []string{"a.example"} }), root)
	chain("tsa", "timestamping", "", tsa, tinter, troot)
	chain("tsa-not-critical", "timestamping", "TsaPurposeNotCritical", tsaPlain, tinter, troot)
	chain("tsa-no-eku", "timestamping", "TsaPurpose", issue(subject("t"), K(), troot, leaf), troot)
	chain("tsa-two-ekus", "timestamping", "TsaPurpose", issue(subject("t"), K(), troot, leaf, criticalEKU(true, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 3})), troot)
	chain("tsa-unknown-eku", "timestamping", "TsaPurpose", issue(subject("t"), K(), troot, leaf, criticalEKU(true, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}, asn1.ObjectIdentifier{1, 2, 3, 4})), troot)
	chain("tsa-ku-not-critical", "timestamping", "", issue(subject("t"), K(), troot, plainKU(0x80, 7), tsEKU), troot)
	chain("tsa-no-ku", "timestamping", "LeafNoKeyUsage", issue(subject("t"), K(), troot, tsEKU), troot)
	chain("tsa-ku-encipherment", "timestamping", "LeafKeyUsage", issue(subject("t"), K(), troot, ku(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment), tsEKU), troot)
	tplain := issue(subject("t plain"), K(), troot, ca(0), plainKU(0x06, 1))
	chain("tsa-ca-ku-not-critical", "timestamping", "", issue(subject("t"), K(), tplain, leaf, tsEKU), tplain, troot)
	chain("tsa-rsa-2056", "timestamping", "LeafKey", issue(subject("t"), rs(2056), troot, leaf, tsEKU), troot)
	write("chains.json", []byte(pretty(cases)))

	// Names.
	type nameCase struct {
		Name string `json:"name"`
		Go   string `json:"go"`
	}
	var names []nameCase
	name := func(n pkix.Name) {
		b := must(asn1.Marshal(n.ToRDNSequence()))
		names = append(names, nameCase{base64.StdEncoding.EncodeToString(b), goName(b)})
	}
	raw := func(b []byte) { names = append(names, nameCase{base64.StdEncoding.EncodeToString(b), goName(b)}) }
	name(subject("builder"))
	name(pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"A, Inc."}, OrganizationalUnit: []string{"a", "b"}, StreetAddress: []string{"1 Way"}, PostalCode: []string{"98101"}, SerialNumber: "42", CommonName: " #x;<>\"+\\ "})
	name(pkix.Name{Country: []string{"DE"}, CommonName: "#Grüße=", ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b.example"}, {Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "ex*"}}})
	name(pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "first"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "last"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "O"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 15}, Value: "Private Organization"}}})
	name(pkix.Name{})
	rdn := func(tag byte, v string) []byte {
		atv := append([]byte{0x06, 3, 0x55, 4, 3, tag, byte(len(v))}, v...)
		atv = append([]byte{0x30, byte(len(atv))}, atv...)
		atv = append([]byte{0x31, byte(len(atv))}, atv...)
		return append([]byte{0x30, byte(len(atv))}, atv...)
	}
	raw(rdn(20, "caf\xe9"))
	raw(rdn(30, "\x00a\x20\xac\x00\x00"))
	raw(rdn(22, "ia5@"))
	raw(rdn(18, "12 3"))
	raw(rdn(19, "a*&b"))
	write("names.json", []byte(pretty(names)))

	// Identities, as notation-go's own reader judges them.
	identities(root)
	_ = sha256.Sum256
	_ = strings.ToLower
}

func goName(b []byte) string {
	var seq pkix.RDNSequence
	// Through a certificate, because that is how names are read there.
	k := ec(elliptic.P256())
	t := &x509.Certificate{SerialNumber: big.NewInt(1), RawSubject: b, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, t, t, k.Public(), k)
	if err != nil {
		return "error: " + err.Error()
	}
	_ = seq
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return "error: " + err.Error()
	}
	return c.Subject.String()
}

// countersign signs what a token states, with another certificate.
func countersign(dir string, tsa, inter *pair, token []byte) []byte {
	for name, b := range map[string][]byte{"in.der": token, "c.pem": pemOf(tsa), "c.key": keyPem(tsa.key), "i.pem": pemOf(inter)} {
		os.WriteFile(dir+"/"+name, b, 0o600)
	}
	run(dir, "openssl", "cms", "-verify", "-noverify", "-inform", "DER", "-in", "in.der", "-out", "info.der")
	run(dir, "openssl", "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-cades", "-md", "sha256", "-econtent_type", "1.2.840.113549.1.9.16.1.4",
		"-signer", "c.pem", "-inkey", "c.key", "-certfile", "i.pem", "-in", "info.der", "-outform", "DER", "-out", "out.der")
	return must(os.ReadFile(dir + "/out.der"))
}

func nonceOf(query []byte) string {
	var q struct {
		Version int
		Imprint asn1.RawValue
		Nonce   *big.Int
		Rest    asn1.RawValue `asn1:"optional"`
	}
	must(asn1.Unmarshal(query, &q))
	return fmt.Sprintf("%0*x", (len(q.Nonce.Bytes()))*2, q.Nonce)
}

func pretty(v any) string { return string(must(json.MarshalIndent(v, "", " "))) + "\n" }

func distributionPoint(u string) []byte {
	type dpn struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
	}
	type dp struct {
		DistributionPoint dpn `asn1:"optional,tag:0"`
	}
	return must(asn1.Marshal([]dp{{dpn{[]asn1.RawValue{{Tag: 6, Class: 2, Bytes: []byte(u)}}}}}))
}
func idpName(u string) []byte {
	type dpn struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
	}
	type dp struct {
		DistributionPoint dpn `asn1:"optional,tag:0"`
	}
	return must(asn1.Marshal(dp{dpn{[]asn1.RawValue{{Tag: 6, Class: 2, Bytes: []byte(u)}}}}))
}

// A token whose signing certificate is named by SHA-1 only (RFC 2634), which is not enough.
func timestampSha1(dir string, tsa *pair, inters []*pair, message []byte) []byte {
	os.WriteFile(dir+"/x", nil, 0o600)
	b := timestampWith(dir, tsa, inters, message)
	return b
}
func timestampWith(dir string, tsa *pair, inters []*pair, message []byte) []byte {
	_ = timestamp(dir, tsa, inters, message, "sha256", "1.2.3.4.1", "")
	cnf := must(os.ReadFile(dir + "/ts.cnf"))
	os.WriteFile(dir+"/ts.cnf", []byte(strings.Replace(string(cnf), "ess_cert_id_alg = sha256", "ess_cert_id_alg = sha1", 1)), 0o600)
	run(dir, "openssl", "ts", "-reply", "-config", "ts.cnf", "-queryfile", "q.tsq", "-token_out", "-out", "token.der")
	return must(os.ReadFile(dir + "/token.der"))
}
