"""Certification paths, judged by OpenSSL and by the X.509 verifier of `cryptography`.

One JSON object a line on standard input: `name`, `now` (seconds), `path` (base64 DER, leaf first, root last). One object a
line out: `openssl_strict` and `openssl` (`openssl verify` with and without -x509_strict, as a TLS client), and
`cryptography`: true, false, or null where that verifier cannot judge the path: it knows neither Ed25519 nor constraints
on URIs, and its rules are those of the CA/Browser Forum, which in places ask more than RFC 5280 does.

It knows X.509 and nothing of SPIFFE.
"""

import base64
import concurrent.futures
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError


def pem(der: str) -> str:
    body = "\n".join(der[at : at + 64] for at in range(0, len(der), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def openssl(folder: pathlib.Path, path: list[str], now: int, strict: bool) -> bool:
    leaf, *between, root = path
    (folder / "leaf.pem").write_text(pem(leaf))
    (folder / "between.pem").write_text("".join(pem(der) for der in between))
    (folder / "root.pem").write_text(pem(root))
    command = ["openssl", "verify", "-check_ss_sig", "-purpose", "sslclient", "-attime", str(now)]
    command += ["-x509_strict"] if strict else []
    command += ["-no-CApath", "-no-CAstore", "-CAfile", str(folder / "root.pem")]
    if between:
        command += ["-untrusted", str(folder / "between.pem")]
    return subprocess.run([*command, str(folder / "leaf.pem")], capture_output=True, check=False).returncode == 0


def third(path: list[str], now: int) -> bool | None:
    try:
        leaf, *between, root = [x509.load_der_x509_certificate(base64.b64decode(der)) for der in path]
        keys = [certificate.public_key() for certificate in (leaf, *between, root)]
        if not all(isinstance(key, ec.EllipticCurvePublicKey) for key in keys):
            return None
        for certificate in (*between, root):
            for extension in certificate.extensions:
                if extension.oid == x509.ExtensionOID.NAME_CONSTRAINTS:
                    return None
        verifier = (
            PolicyBuilder()
            .store(Store([root]))
            .time(datetime.datetime.fromtimestamp(now, datetime.timezone.utc).replace(tzinfo=None))
            .build_client_verifier()
        )
    except (ValueError, TypeError, x509.DuplicateExtension, x509.InvalidVersion):
        return False
    try:
        verifier.verify(leaf, between)
    except VerificationError as error:
        # What the profile of the CA/Browser Forum asks beyond RFC 5280 says nothing of the path.
        beyond = ("2.5.29.37: Certificate extension has incorrect criticality", "2.5.29.35: Certificate is missing")
        return None if any(text in str(error) for text in beyond) else False
    return True


def judge(line: str) -> str:
    case = json.loads(line)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        strict = openssl(folder, case["path"], case["now"], strict=True)
        answer = {
            "openssl_strict": strict,
            "openssl": strict or openssl(folder, case["path"], case["now"], strict=False),
            "cryptography": third(case["path"], case["now"]),
        }
    return json.dumps(answer)


def main() -> None:
    warnings.simplefilter("ignore")  # of certificates that are wrong on purpose
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for answer in pool.map(judge, sys.stdin):
            print(answer)


if __name__ == "__main__":
    main()
