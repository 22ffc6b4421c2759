"""A second signer and verifier of HTTP request signatures: the PyPI package `http-message-signatures`, which knows
RFC 9421 and nothing of killick.

Reads one JSON object a line and answers each with one:
  {"do": "verify", "vector": {…}} -> {"verifies": bool, "base": "…" or null}     a file of vectors/http-signature
  {"do": "sign", …}               -> {"headers": [[name, value], …]}             fields to add to a request
"""

import base64
import datetime
import json
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures import algorithms
from http_message_signatures.exceptions import HTTPMessageSignaturesException


def from_base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Key(HTTPSignatureKeyResolver):
    """One key, whatever it is called."""

    def __init__(self, public=None, private=None):
        self.public, self.private = public, private

    def resolve_public_key(self, key_id):
        return self.public

    def resolve_private_key(self, key_id):
        return self.private


class Request:
    def __init__(self, method, url, headers):
        self.method, self.url, self.headers = method, url, dict(headers)


class Verifier(HTTPMessageVerifier):
    """Without a clock: the vectors have their own time, which is killick's business."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.base = None

    def validate_created_and_expires(self, sig_input, max_age=None):
        pass

    def _build_signature_base(self, *args, **kwargs):
        built = super()._build_signature_base(*args, **kwargs)
        self.base = next(part for part in built if isinstance(part, str) and "@signature-params" in part)
        return built


def verify(vector):
    request = vector["request"]
    message = Request(request["method"], vector["gateway"]["origin"] + request["target"], request["headers"])
    key = Ed25519PublicKey.from_public_bytes(from_base64url(vector["holder_jwk"]["x"]))
    verifier = Verifier(signature_algorithm=algorithms.ED25519, key_resolver=Key(public=key))
    try:
        verifier.verify(message, expect_tag="killick")
        return {"verifies": True, "base": verifier.base}
    except HTTPMessageSignaturesException:
        return {"verifies": False, "base": verifier.base}


def sign(order):
    key = Ed25519PrivateKey.from_private_bytes(from_base64url(order["seed"]))
    message = Request(order["method"], order["url"], order["headers"])
    before = set(message.headers)
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=Key(private=key))
    signer.sign(
        message,
        key_id=order["keyid"],
        created=datetime.datetime.fromtimestamp(order["created"], datetime.timezone.utc),
        expires=datetime.datetime.fromtimestamp(order["expires"], datetime.timezone.utc),
        nonce=order["nonce"],
        label="killick",
        tag="killick",
        covered_component_ids=order["covered"],
        body=order["body"].encode(),
    )
    return {"headers": [[name, value] for name, value in message.headers.items() if name not in before]}


def main():
    for line in sys.stdin:
        order = json.loads(line)
        answer = verify(order["vector"]) if order["do"] == "verify" else sign(order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
