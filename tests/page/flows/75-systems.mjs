// What the page shows of Notation and Docker Content Trust: verdicts of other hosts' decisions, and policies with such signers.

import { named } from "../driver.mjs";

/** The certificate of an authority, for a trust store. Nobody has its key. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIB1jCCAX2gAwIBAgIUaOeWwys6Lz0xZYWbdNrFimJyZ8wwCgYIKoZIzj0EAwIw
ODELMAkGA1UEBhMCREUxCzAJBgNVBAgMAkJFMQ0wCwYDVQQKDARTaG9wMQ0wCwYD
VQQDDARzaG9wMCAXDTI2MTEyMjAzMjczOFoYDzIxMjYxMDI5MDMyNzM4WjA4MQsw
CQYDVQQGEwJERTELMAkGA1UECAwCQkUxDTALBgNVBAoMBFNob3AxDTALBgNVBAMM
BHNob3AwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARo9jsImL7fMsO3FIgwRhaV
9sovYd/Poibwj6XCVDY6ohp8nnjqjJoLuTYOG5+Tm6YXL4u2cIgr+aHLTfNXZ6Aa
o2MwYTAdBgNVHQ4EFgQUB5uM69zc58AKI2O13YXwou5EIiowHwYDVR0jBBgwFoAU
B5uM69zc58AKI2O13YXwou5EIiowDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8E
BAMCAgQwCgYIKoZIzj0EAwIDRwAwRAIgXGkZvv5N6v2xjAZI/AgVfR2cWKQEDbZs
cLmVmwArl+kCIGQ6rpYlCB9MaK9zFeNx1CMZd+bH7pET/xrBmFj3SmlO
-----END CERTIFICATE-----`;

/** A verdict as the module gives it, with everything that these systems add. */
const verdict = {
  outcome: "accept",
  image: "registry.example/shop/app:1",
  repository: "registry.example/shop/app",
  digest: `sha256:${"a".repeat(64)}`,
  pinned: `registry.example/shop/app@sha256:${"a".repeat(64)}`,
  summary: "",
  enforced: true,
  reasons: [],
  warnings: [],
  otherForms: [],
  remember: { "notary.example registry.example/shop/app": { root: { version: 2 }, roles: {} } },
  policies: [
    {
      policy: "shop",
      document: "shop.yaml",
      mode: "enforce",
      tree: {
        rule: "allOf",
        outcome: "accept",
        of: [
          {
            rule: "signer notary",
            outcome: "accept",
            certificate: "CN=build,O=Shop",
            signature: { holder: "notation", number: 3, manifest: `sha256:${"b".repeat(64)}` },
            checks: [
              { check: "integrity", action: "enforce", passed: true },
              { check: "expiry", action: "log", passed: false, what: "it ended at 2026-01-01T00:00:00Z" },
              { check: "revocation", action: "skip", passed: null },
            ],
          },
          { rule: "signer trusted", outcome: "accept", signature: { holder: "roleFile", number: 1 } },
        ],
      },
    },
    {
      policy: "late",
      document: "late.yaml",
      mode: "enforce",
      tree: { rule: "glass broken by eve", outcome: "accept", broken: true, exempted: "the night shift" },
    },
  ],
};

export const flows = {
  async "verdict: checks, certificate, role files, what is remembered, a broken glass"(flow) {
    const page = await flow.page();
    await page.evaluate(async (said) => {
      const { verdictView } = await import("./views/verdict.js");
      const piece = (need, text) => ({ need, outcome: "found", bytes: new TextEncoder().encode(text), content: need });
      const evidence = [
        piece("role notary.example/registry.example/shop/app:targets.json", '{"signed":{}}'),
        { ...piece("manifest", '{"layers":[{"digest":"envelope"}]}'), content: `sha256:${"b".repeat(64)}` },
        { ...piece("blob", '{"payload":"e30"}'), content: "envelope" },
      ];
      const result = { verdict: said, header: new Uint8Array(), evidence, question: { image: said.image, now: 0 } };
      document.querySelector("#check .results").replaceChildren(verdictView(result));
    }, verdict);
    await flow.text(page, ".verdict .plain", "broken the policy's glass");
    const signer = page.locator(".tree li li").first();
    await flow.text(page, ".tree details[open]", "CN=build,O=Shop");
    for (const words of [
      "Integrity passed",
      "Expiry failed only logged: it ended at 2026-01-01T00:00:00Z",
      "Revocation skipped, as the policy says",
    ])
      await flow.text(page, ".checks li", words);
    await signer.getByRole("button", { name: "what was signed" }).click();
    await flow.text(page, ".evidence details[open]", "envelope");
    await page.getByText("“trusted” has signed").click();
    await page.getByRole("button", { name: "targets.json" }).click();
    await flow.text(page, ".tree", "The glass was broken by “eve”");
    await page.getByText("To be remembered of Docker Content Trust").click();
    await flow.text(page, ".verdict pre", '"version": 2');
    await flow.axe(page, "checks");
    await flow.shot(page, "verdict-notation-light");
  },

  async "needs of these systems: a browser says that it cannot ask"(flow) {
    const page = await flow.page();
    const answers = await page.evaluate(async () => {
      const { Evidence, Gateway, Layout, Registry } = await import("./bulla.js");
      const needs = ["crl", "ocsp", "role", "remembered"].map((kind) => ({ id: kind, kind, registry: "r", limit: 1 }));
      const kept = new Evidence([{ need: "crl", outcome: "absent" }]);
      const sources = [new Gateway(), new Layout(), new Registry("https://r.invalid"), kept];
      return Promise.all(sources.map((source) => source.fetchAll(needs)));
    });
    for (const pieces of answers.slice(0, 3))
      for (const { need, outcome, reason } of pieces)
        flow.expect(outcome === "failed" && reason.includes("a browser"), `${need} is declined: ${outcome} ${reason}`);
    flow.equal(answers[3][0].outcome, "absent", "what was saved with the evidence");
  },

  async "pins: a policy with signers of the three systems"(flow) {
    const { fixtures } = flow;
    const key = await fixtures.key();
    const lines = (pem, indent) => pem.trim().replace(/^/gm, " ".repeat(indent));
    const text = `apiVersion: bulla.dev/v1alpha1
kind: ImagePolicy
metadata: {name: three}
spec:
  match: {images: [registry.example/shop/**]}
  signers:
    release:
      cosign:
        publicKey: |
${lines(key.pem, 10)}
    notary:
      notation:
        trustStores:
          ca:
            - |
${lines(CERTIFICATE, 14)}
        level: strict
        trustedIdentities: ["x509.subject: C=DE,ST=BE,O=Shop,CN=shop"]
  require: {anyOf: [release, notary]}
`;
    const page = await flow.page({ hash: "#pins" });
    await page.locator("#pins .drop input").first().setInputFiles(named("three.yaml", text));
    await flow.text(page, "#pins .signers", "Notation, by 1 certificate");
    flow.expect(!(await page.locator("#pins .signers").first().innerText()).includes("undefined"), "nothing undefined");
    await flow.shot(page, "pins-three-systems-light");
  },
};
