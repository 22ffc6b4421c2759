"""A witness of transparency logs and a log that asks one, written from the C2SP specifications tlog-witness,
tlog-cosignature, tlog-checkpoint and signed-note and from RFC 6962 section 2.1 alone.

    witness.py serve NAME VKEY...      answers on a free port of this machine; the first line out is {"url", "vkey"}
    witness.py ask URL VKEY            as a log of its own, asks the witness with that key; one JSON object out
    witness.py log                     the verifier key of that log
    witness.py vectors                 requests and answers, for `vectors/tlog/witness.json`

It keeps its state in memory: it is a second opinion for tests, not a witness to rely on.
"""

import base64
import hashlib
import http.server
import json
import sys
import threading
import time
import urllib.error
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOG, COSIGNATURE = 0x01, 0x04


def b64(data):
    return base64.b64encode(data).decode()


class Refused(Exception):
    """The answer to a request that is not cosigned: status, content type, body."""

    def __init__(self, status, body="no\n", kind="text/plain; charset=utf-8"):
        super().__init__(status)
        self.status, self.body, self.kind = status, body, kind


# Keys (signed-note, "Verifier keys"; tlog-cosignature, "Format").


def key_id(name, kind, public):
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


class Signer:
    def __init__(self, name, kind, seed):
        self.name, self.kind, self.private = name, kind, Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self.private.public_key().public_bytes_raw()
        self.id = key_id(name, kind, self.public)
        self.vkey = f"{name}+{self.id.hex()}+{b64(bytes([kind]) + self.public)}"

    def line(self, text, at=None):
        """A signature line over a note's text; with `at`, a cosignature of that time."""
        message = text.encode() if at is None else f"cosignature/v1\ntime {at}\n{text}".encode()
        signature = self.private.sign(message)
        stamp = b"" if at is None else at.to_bytes(8, "big")
        return f"\N{EM DASH} {self.name} {b64(self.id + stamp + signature)}\n"


class Verifier:
    def __init__(self, vkey):
        self.name, identifier, data = vkey.split("+", 2)
        data = base64.b64decode(data, validate=True)
        self.kind, self.public = data[0], data[1:]
        self.id = key_id(self.name, self.kind, self.public)
        assert self.id.hex() == identifier, "the key ID is not the key's"

    def good(self, message, signature):
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True


# Notes and checkpoints (signed-note, "Format"; tlog-checkpoint, "Note text").


def parse_note(note):
    """Text, and signatures as (name, key ID, bytes)."""
    text, _, lines = note.rpartition("\n\n")
    if not text or not lines.endswith("\n"):
        raise ValueError("no note")
    signatures = []
    for line in lines[:-1].split("\n"):
        dash, name, data = line.split(" ")
        data = base64.b64decode(data, validate=True)
        if dash != "\N{EM DASH}" or not name or len(data) < 5:
            raise ValueError("no signature line")
        signatures.append((name, data[:4], data[4:]))
    return text + "\n", signatures


def decimal(text):
    if not text.isascii() or not text.isdigit() or str(int(text)) != text or int(text) >= 2**64:
        raise ValueError("no decimal")
    return int(text)


def parse_hash(text):
    data = base64.b64decode(text, validate=True)
    if len(data) != 32 or b64(data) != text:
        raise ValueError("no hash")
    return data


def parse_checkpoint(text):
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < 3 or not all(lines):
        raise ValueError("no checkpoint")
    return lines[0], decimal(lines[1]), parse_hash(lines[2])


# The tree (RFC 6962 section 2.1).


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def split(count):
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def root(leaves):
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    at = split(len(leaves))
    return node(root(leaves[:at]), root(leaves[at:]))


def prove(leaves, old, known=True):
    """SUBPROOF of section 2.1.2."""
    count = len(leaves)
    if old == count:
        return [] if known else [root(leaves)]
    at = split(count)
    if old <= at:
        return [*prove(leaves[:at], old, known), root(leaves[at:])]
    return [*prove(leaves[at:], old - at, False), root(leaves[:at])]


def consistent(old, new, old_root, new_root, proof):
    """Undoes SUBPROOF: the two roots that the proof gives must be these, and no hash may be left over."""
    proof = list(proof)

    def roots(old, count, known):
        """The roots of the old and the new part of a subtree of `count` leaves, the first `old` of them old."""
        if old == count:
            both = old_root if known else proof.pop(0)
            return both, both
        at = split(count)
        if old <= at:
            older, newer = roots(old, at, known)
            return older, node(newer, proof.pop(0))
        older, newer = roots(old - at, count - at, False)
        left = proof.pop(0)
        return node(left, older), node(left, newer)

    try:
        return roots(old, new, True) == (old_root, new_root) and not proof
    except IndexError:
        return False


# The witness (tlog-witness, "add-checkpoint").


class Witness:
    def __init__(self, name, vkeys):
        self.signer = Signer(name, COSIGNATURE, hashlib.sha256(name.encode()).digest())
        self.logs = {key.name: key for key in map(Verifier, vkeys)}
        self.held, self.notes, self.lock = {}, {}, threading.Lock()

    def add_checkpoint(self, body, now):
        try:
            head, _, note = body.decode().partition("\n\n")
            first, *proof = head.split("\n")
            word, old = first.split(" ")
            old, proof = decimal(old), [parse_hash(line) for line in proof]
            text, signatures = parse_note(note)
            origin, size, new_root = parse_checkpoint(text)
            if word != "old" or len(proof) > 63:
                raise ValueError("no request")
        except ValueError as error:
            raise Refused(400, f"{error}\n") from error
        key = self.logs.get(origin)
        if key is None:
            raise Refused(404)
        mine = [signature for name, identifier, signature in signatures if (name, identifier) == (key.name, key.id)]
        if not mine or not all(key.good(text.encode(), signature) for signature in mine):
            raise Refused(403)
        if old > size:
            raise Refused(400)
        with self.lock:
            held, held_root = self.held.get(origin, (0, root([])))
            if old != held:
                raise Refused(409, f"{held}\n", "text/x.tlog.size")
            if old == 0:
                good = not proof and (size > 0 or new_root == root([]))
            elif old == size:
                good = not proof and new_root == held_root
            else:
                good = consistent(old, size, held_root, new_root, proof)
            if not good:
                raise Refused(422)
            self.held[origin] = (size, new_root)
            line = self.signer.line(text, now)
            self.notes[hashlib.sha256(origin.encode()).hexdigest()] = note + line
            return line


def serve(name, vkeys):
    witness = Witness(name, vkeys)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status, body, kind="text/plain; charset=utf-8"):
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path != "/add-checkpoint":
                return self.answer(404, "")
            try:
                self.answer(200, witness.add_checkpoint(body, int(time.time())))
            except Refused as refused:
                self.answer(refused.status, refused.body, refused.kind)

        def do_GET(self):
            place = self.path.strip("/").split("/")
            note = witness.notes.get(place[0]) if place[1:] == ["checkpoint"] else None
            self.answer(404 if note is None else 200, note or "")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}", "vkey": witness.signer.vkey}), flush=True)
    server.serve_forever()


# The log that asks.

OWN = Signer("oracle.example/log", LOG, bytes(range(32)))


def leaves(size, fork=None):
    return [leaf(f"{'other' if fork is not None and i >= fork else 'entry'} {i}".encode()) for i in range(size)]


def checkpoint(signer, size, top):
    text = f"{signer.name}\n{size}\n{b64(top)}\n"
    return text, f"{text}\n{signer.line(text)}"


def request(old, proof, note):
    return (f"old {old}\n" + "".join(f"{b64(line)}\n" for line in proof) + "\n" + note).encode()


def extend(old, size, fork=None, signer=OWN):
    """The request that shows the tree of `size` entries to extend that of `old`."""
    tree = leaves(size, fork)
    text, note = checkpoint(signer, size, root(tree))
    return text, request(old, prove(tree, old) if old else [], note)


def ask(url, vkey):
    witness = Verifier(vkey)
    assert witness.kind == COSIGNATURE

    def post(body):
        asked = urllib.request.Request(f"{url}/add-checkpoint", body, method="POST")
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()

    def cosigned(text, answer):
        status, _, body = answer
        assert status == 200, answer
        again, signatures = parse_note(f"{text}\n{body}")
        assert again == text
        ((name, identifier, data),) = signatures
        assert (name, identifier) == (witness.name, witness.id)
        at = int.from_bytes(data[:8], "big")
        assert witness.good(f"cosignature/v1\ntime {at}\n{text}".encode(), data[8:]), "the cosignature is wrong"
        assert abs(at - time.time()) < 60, at
        return at

    sizes = [1, 2, 3, 7, 8, 9, 64, 65, 255, 256, 257, 300]
    old = 0
    for size in sizes:
        text, body = extend(old, size)
        cosigned(text, post(body))
        old = size
    text, body = extend(300, 300)
    cosigned(text, post(body))
    refusals = {
        "unknown": post(extend(0, 5, signer=Signer("other.example", LOG, bytes(32)))[1]),
        "unsigned": post(extend(300, 301, signer=Signer(OWN.name, LOG, bytes(32)))[1]),
        "beyond": post(request(301, [], checkpoint(OWN, 300, root(leaves(300)))[1])),
        "stale": post(extend(299, 301)[1]),
        "forked": post(extend(300, 300, fork=299)[1]),
        "rewritten": post(extend(300, 320, fork=200)[1]),
        "unproved": post(request(300, [], checkpoint(OWN, 301, root(leaves(301)))[1])),
        "no request": post(b"old 300\n"),
    }
    print(json.dumps({"cosigned": len(sizes) + 1, "refusals": refusals}))


def vectors():
    """Each request with what a witness of these keys answers that holds the given size of the given log."""
    witness = Witness("oracle.example/witness", [OWN.vkey])
    cases = []

    def case(name, held, body):
        witness.held = {OWN.name: (held, root(leaves(held)))} if held else {}
        try:
            answer = {"status": 200, "body": witness.add_checkpoint(body, 1_800_000_000)}
        except Refused as refused:
            answer = {"status": refused.status}
            if refused.status == 409:
                answer["body"] = refused.body
        cases.append({"name": name, "held": held, "root": b64(root(leaves(held))), "request": body.decode(), **answer})

    for old, new in [(0, 0), (0, 1), (1, 1), (1, 2), (3, 7), (4, 7), (6, 8), (7, 7), (8, 64), (63, 65)]:
        case(f"{old} to {new}", old, extend(old, new)[1])
    case("unknown origin", 3, extend(3, 7, signer=Signer("other.example", LOG, bytes(32)))[1])
    case("another key", 3, extend(3, 7, signer=Signer(OWN.name, LOG, bytes(32)))[1])
    case("old beyond new", 9, request(9, [], checkpoint(OWN, 7, root(leaves(7)))[1]))
    case("old below held", 4, extend(3, 7)[1])
    case("old above held", 2, extend(3, 7)[1])
    case("from nothing, held something", 3, extend(0, 7)[1])
    case("same size, other root", 7, extend(7, 7, fork=6)[1])
    case("history rewritten", 7, extend(7, 12, fork=3)[1])
    case("no proof", 3, request(3, [], checkpoint(OWN, 7, root(leaves(7)))[1]))
    case("a hash too many", 3, request(3, [*prove(leaves(7), 3), leaf(b"")], checkpoint(OWN, 7, root(leaves(7)))[1]))
    case("a proof from nothing", 0, request(0, [leaf(b"")], checkpoint(OWN, 7, root(leaves(7)))[1]))
    case("an empty tree with a root", 0, request(0, [], checkpoint(OWN, 0, leaf(b""))[1]))
    case("leading zero", 3, extend(3, 7)[1].replace(b"old 3", b"old 03"))
    case("64 lines of proof", 3, request(3, [leaf(b"")] * 64, checkpoint(OWN, 7, root(leaves(7)))[1]))
    print(json.dumps({"log_vkey": OWN.vkey, "witness_vkey": witness.signer.vkey, "cases": cases}, indent=2))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", name, *vkeys]:
            serve(name, vkeys)
        case ["ask", url, vkey]:
            ask(url, vkey)
        case ["log"]:
            print(OWN.vkey)
        case ["vectors"]:
            vectors()
        case _:
            sys.exit(__doc__)
