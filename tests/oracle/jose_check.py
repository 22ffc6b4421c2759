"""JWK thumbprints, JWS and JWT by `joserfc` and `cryptography`: a second opinion on what killick writes and reads.

One JSON object a line on standard input, one answer a line. By `do`:

* `thumbprint`: `jwk` -> {"thumbprint": RFC 7638 text}
* `verify`: `jwk`, `token` -> {"payload": text} or {"error": …}; the algorithm is the one that fits the key
* `sign`: `jwk` (private), `alg`, `header` (other members), `payload` -> {"token": compact JWS}
* `jwt`: `keys` (JWK Set), `token`, `audience`, `now` -> {"valid": bool}; exp, nbf, iat and aud by RFC 7519
"""

import json
import sys

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey

ALGORITHMS = ["EdDSA", "Ed25519", "ES256"]


def import_key(jwk: dict) -> OKPKey | ECKey:
    return (OKPKey if jwk["kty"] == "OKP" else ECKey).import_key(jwk)


def fitting(jwk: dict) -> list[str]:
    return ["ES256"] if jwk["kty"] == "EC" else ["EdDSA", "Ed25519"]


def verify(ask: dict) -> dict:
    try:
        registry = jws.JWSRegistry(algorithms=fitting(ask["jwk"]), strict_check_header=False)
        token = jws.deserialize_compact(ask["token"], import_key(ask["jwk"]), registry=registry)
    except (JoseError, ValueError) as error:
        return {"error": str(error)}
    return {"payload": token.payload.decode()}


def sign(ask: dict) -> dict:
    header = {"alg": ask["alg"], **ask["header"]}
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    token = jws.serialize_compact(header, ask["payload"].encode(), import_key(ask["jwk"]), registry=registry)
    return {"token": token}


def check_jwt(ask: dict) -> dict:
    keys = KeySet([ECKey.import_key(key) for key in ask["keys"]])
    try:
        token = jwt.decode(ask["token"], keys, algorithms=["ES256"])
        claims = jwt.JWTClaimsRegistry(
            now=ask["now"],
            leeway=0,
            sub={"essential": True},
            exp={"essential": True},
            aud={"essential": True, "value": ask["audience"]},
        )
        claims.validate(token.claims)
    except (JoseError, ValueError) as error:
        return {"valid": False, "error": str(error)}
    return {"valid": True}


def main() -> None:
    for line in sys.stdin:
        ask = json.loads(line)
        answer = {
            "thumbprint": lambda ask: {"thumbprint": import_key(ask["jwk"]).thumbprint()},
            "verify": verify,
            "sign": sign,
            "jwt": check_jwt,
        }[ask["do"]](ask)
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
