// A second signer and verifier of HTTP messages (RFC 9421): the npm package `http-message-sig`, with keys of Node's own.
//
// Its one argument is the folder in which `npm ci` installed the package. Reads one JSON object a line and answers each
// with one, as `../message_signature.py` does, which says how they look.

import { constants, createHmac, createPrivateKey, createPublicKey, sign, timingSafeEqual, verify } from "node:crypto";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { createInterface } from "node:readline";

const installed = createRequire(resolve(process.argv[2], "package.json"));
const { component, createSignature, isSignatureError, verifySignature } = installed("http-message-sig");

/** What `sign` and `verify` of node:crypto are told for each algorithm: the digest and the options beside the key. */
const ALGORITHMS = {
  ed25519: [null, {}],
  "ecdsa-p256-sha256": ["sha256", { dsaEncoding: "ieee-p1363" }],
  "ecdsa-p384-sha384": ["sha384", { dsaEncoding: "ieee-p1363" }],
  "rsa-pss-sha512": ["sha512", { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }],
  "rsa-v1_5-sha256": ["sha256", { padding: constants.RSA_PKCS1_PADDING }],
};

function mac(key, base) {
  return createHmac("sha256", Buffer.from(key.k, "base64url")).update(base).digest();
}

function signer(key, algorithm) {
  if (algorithm === "hmac-sha256") return { algorithm, sign: async (base) => new Uint8Array(mac(key, base)) };
  const [digest, options] = ALGORITHMS[algorithm];
  const own = { key: createPrivateKey({ key, format: "jwk" }), ...options };
  return { algorithm, sign: async (base) => new Uint8Array(sign(digest, base, own)) };
}

function verifier(key, algorithm, seen) {
  const check = (base, signature) => {
    if (algorithm === "hmac-sha256") {
      const expected = mac(key, base);
      return expected.length === signature.length && timingSafeEqual(expected, signature);
    }
    const [digest, options] = ALGORITHMS[algorithm];
    return verify(digest, base, { key: createPublicKey({ key, format: "jwk" }), ...options }, signature);
  };
  return {
    algorithm,
    verify: (base, signature) => {
      seen.base = Buffer.from(base).toString("latin1");
      return check(base, signature);
    },
  };
}

function fields(order) {
  return order.fields.map(([name, value]) => ({ name, value }));
}

function request(order) {
  const url = order.url;
  const path = url.indexOf("/", url.indexOf("://") + 3);
  return { kind: "request", method: order.method, targetUri: url, requestTarget: url.slice(path), fields: fields(order) };
}

function message(order) {
  if (order.kind === "request") return request(order);
  const related = order.request ? { request: request(order.request) } : {};
  return { kind: "response", status: order.status, fields: fields(order), ...related };
}

/** A component from its text, e.g. `"priority";key="u";req`. */
function parsed(text) {
  const [, name, rest] = /^"([^"]*)"(.*)$/.exec(text);
  const parameters = {};
  for (const [, key, value] of rest.matchAll(/;([a-z]+)(?:="([^"]*)")?/g)) parameters[key] = value ?? true;
  return component(name, parameters);
}

async function doVerify(order) {
  const seen = { base: null };
  try {
    await verifySignature(message(order.message), {
      policy: { algorithms: [order.algorithm], requiredComponents: [], requiredParameters: [], now: 0, clockSkew: 1e12 },
      resolveVerifier: () => verifier(order.key, order.algorithm, seen),
    });
    return { verifies: true, base: seen.base };
  } catch (error) {
    if (!isSignatureError(error)) throw error;
    return { verifies: false, base: seen.base, why: error.message };
  }
}

async function doSign(order) {
  const given = { created: order.created, expires: order.expires, nonce: order.nonce, keyid: order.keyid, tag: order.tag };
  const parameters = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  if (order.alg) parameters.alg = order.algorithm;
  const made = await createSignature(message(order.message), {
    label: order.label,
    components: order.components.map(parsed),
    parameters,
    signer: signer(order.key, order.algorithm),
  });
  return { signature_input: made.signatureInput, signature: made.signature };
}

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  console.log(JSON.stringify(await (order.do === "verify" ? doVerify(order) : doSign(order))));
}
