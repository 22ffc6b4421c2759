"""A second signer and verifier of HTTP messages (RFC 9421): the PyPI package `http-message-signatures`.

Reads one JSON object a line and answers each with one, as `node/message_signature.mjs` does:
  {"do": "verify", "message": {…}, "key": {JWK}, "algorithm": "…"} -> {"verifies": bool, "base": "…" or null}
  {"do": "sign", "message": {…}, "components": ["…"], "label": "…", "created": 1, "expires": 2 or null,
   "nonce": "…" or null, "tag": "…" or null, "keyid": "…", "alg": bool, "key": {JWK}, "algorithm": "…"}
                                                             -> {"signature_input": "…", "signature": "…"}
A message is {"kind": "request", "method", "url", "fields", "body"} or {"kind": "response", "status", "fields", "body",
"request"}. The characters of values are bytes.
"""

import base64
import datetime
import json
import sys

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures import algorithms
from http_message_signatures.exceptions import HTTPMessageSignaturesException

ALGORITHMS = {
    algorithm.algorithm_id: algorithm
    for algorithm in (
        algorithms.ED25519,
        algorithms.ECDSA_P256_SHA256,
        algorithms.ECDSA_P384_SHA384,
        algorithms.HMAC_SHA256,
        algorithms.RSA_PSS_SHA512,
        algorithms.RSA_V1_5_SHA256,
    )
}


def octets(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(jwk, name):
    return int.from_bytes(octets(jwk[name]), "big")


def load(jwk):
    """The key of a JWK, private if it has a private part."""
    if jwk["kty"] == "oct":
        return octets(jwk["k"])
    if jwk["kty"] == "OKP":
        if "d" in jwk:
            return ed25519.Ed25519PrivateKey.from_private_bytes(octets(jwk["d"]))
        return ed25519.Ed25519PublicKey.from_public_bytes(octets(jwk["x"]))
    if jwk["kty"] == "EC":
        curve = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1()}[jwk["crv"]]
        public = ec.EllipticCurvePublicNumbers(number(jwk, "x"), number(jwk, "y"), curve)
        if "d" in jwk:
            return ec.EllipticCurvePrivateNumbers(number(jwk, "d"), public).private_key()
        return public.public_key()
    public = rsa.RSAPublicNumbers(number(jwk, "e"), number(jwk, "n"))
    if "d" in jwk:
        secret = [number(jwk, name) for name in ("p", "q", "d", "dp", "dq", "qi")]
        return rsa.RSAPrivateNumbers(*secret, public).private_key()
    return public.public_key()


class Key(HTTPSignatureKeyResolver):
    """One key, whatever it is called."""

    def __init__(self, key):
        self.key = key

    def resolve_public_key(self, key_id):
        return self.key

    def resolve_private_key(self, key_id):
        return self.key


class Headers:
    """Field lines in order; names may repeat."""

    def __init__(self, lines):
        self.lines = [tuple(line) for line in lines]

    def items(self):
        return iter(self.lines)

    def __iter__(self):
        return iter(name for name, _ in self.lines)

    def __contains__(self, name):
        return any(known.lower() == name.lower() for known, _ in self.lines)

    def __setitem__(self, name, value):
        self.lines.append((name, value))

    def __delitem__(self, name):
        self.lines = [line for line in self.lines if line[0].lower() != name.lower()]


class Request:
    def __init__(self, order):
        self.method, self.url, self.headers = order["method"], order["url"], Headers(order["fields"])


class Response:
    def __init__(self, order):
        self.status_code, self.headers = order["status"], Headers(order["fields"])
        self.request = Request(order["request"]) if order.get("request") else None


def message_of(order):
    return Request(order) if order["kind"] == "request" else Response(order)


class Verifier(HTTPMessageVerifier):
    """Without a clock, which is not what is compared here."""

    base = None

    def validate_created_and_expires(self, sig_input, max_age=None):
        pass

    def _build_signature_base(self, *args, **kwargs):
        built = super()._build_signature_base(*args, **kwargs)
        self.base = next(part for part in built if isinstance(part, str) and "@signature-params" in part)
        return built


def verify(order):
    verifier = Verifier(
        signature_algorithm=ALGORITHMS[order["algorithm"]], key_resolver=Key(load(order["key"]))
    )
    message = message_of(order["message"])
    lines = [value for name, value in message.headers.items() if name.lower() == "signature-input"]
    covers_content = any('"content-digest" ' in line or '"content-digest")' in line for line in lines)
    body = order["message"]["body"].encode() if covers_content else None
    try:
        verifier.verify(message, max_age=None, body=body)
        return {"verifies": True, "base": verifier.base}
    except (HTTPMessageSignaturesException, ValueError) as error:
        return {"verifies": False, "base": verifier.base, "why": str(error)}


def moment(secs):
    return datetime.datetime.fromtimestamp(secs, datetime.timezone.utc)


def sign(order):
    message = message_of(order["message"])
    signer = HTTPMessageSigner(
        signature_algorithm=ALGORITHMS[order["algorithm"]], key_resolver=Key(load(order["key"]))
    )
    signer.sign(
        message,
        key_id=order["keyid"],
        created=moment(order["created"]),
        expires=moment(order["expires"]) if order["expires"] is not None else None,
        nonce=order["nonce"],
        label=order["label"],
        tag=order["tag"],
        include_alg=order["alg"],
        covered_component_ids=order["components"],
        use_existing_digest="content-digest" in message.headers,
    )
    fields = {name.lower(): value for name, value in message.headers.items()}
    return {"signature_input": fields["signature-input"], "signature": fields["signature"]}


def main():
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(verify(order) if order["do"] == "verify" else sign(order)), flush=True)


if __name__ == "__main__":
    main()
