#!/usr/bin/env python3
"""Checks a transparency log in a folder, without its server and without killick.

    verify_log.py DIR [--vkey VKEY | --trust trust.json] [--require-witnesses N] [--json]
    verify_log.py --proof FILE [--entry FILE] (--vkey VKEY | --trust trust.json) [--require-witnesses N] [--json]
    verify_log.py --batch < requests.jsonl

Written from the C2SP specifications (tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature, tlog-proof) and RFC 6962
alone, as a second opinion: it shares no code with killick. It needs Python 3.9 or newer and the package `cryptography`,
for Ed25519. What it does, in order:

 1. `checkpoint` is a signed note; its origin is the expected one, and the log's key has signed it.
 2. Cosignatures of the witnesses in the trust file verify, where there are any.
 3. Every entry in `tile/entries/` hashes to its leaf in `tile/0/`, and every tile to the one above.
 4. All entries together hash to the root in the checkpoint, which is no older than, and extends, the checkpoint that
    the trust file holds (member `checkpoint`), if it holds one.
 5. The times of entries (member `at`) do not go back by more than 30 s (docs/spec/entry.md).
 6. With --require-witnesses, so many distinct operators have cosigned the checkpoint.

--proof checks one .tlog-proof. Without --entry it is checked for the leaf hash that its `extra` line names.
--batch reads one JSON object a line, {"folder", "trust"?, "vkey"?, "require_witnesses"?}, `trust` being the trust file's
content, and prints one JSON object for each.

Exit codes: 0 it verifies, 2 usage, 5 it does not, or one of 51 to 62, which say why (docs/reference/exit-codes.md).
"""

import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import stat
import sys
import unicodedata

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE = 256
NOTE_BYTES_MAX = 128 * 1024
BUNDLE_BYTES_MAX = TILE * (2 + 65535)
NOTE_SIGNATURES_MAX = 64
NAME_BYTES_MAX = 255
PROOF_BYTES_MAX = NOTE_BYTES_MAX + 8 * 1024
PROOF_HASHES_MAX = 65
TIME_BACK_MICROS_MAX = 30_000_000
ED25519, COSIGNATURE_V1 = 0x01, 0x04
EXIT = {
    "log.signature": 51,
    "log.cosignature": 51,
    "log.fork": 52,
    "log.consistency": 52,
    "log.truncated": 53,
    "log.order": 54,
    "log.missing": 55,
    "log.inclusion": 56,
    "log.root": 56,
    "log.not_witnessed": 57,
    "log.cosignature_missing": 58,
    "log.time": 59,
    "log.tile": 61,
    "log.origin": 62,
}


class Wrong(Exception):
    """Why the log does not verify: a stable code and a sentence."""

    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.code = code


# --- RFC 6962 section 2.1 ---------------------------------------------------------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Complete subtrees, largest first: (number of leaves, hash)."""

    def __init__(self):
        self.parts = []
        self.size = 0

    def copy(self):
        other = Tree()
        other.parts, other.size = list(self.parts), self.size
        return other

    def add(self, leaf):
        count, node = 1, leaf
        while self.parts and self.parts[-1][0] == count:
            _, left = self.parts.pop()
            count, node = count * 2, node_hash(left, node)
        self.parts.append((count, node))
        self.size += 1

    def root(self):
        if not self.parts:
            return hashlib.sha256(b"").digest()
        root = self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            root = node_hash(left, root)
        return root


# --- C2SP signed-note -------------------------------------------------------------------------------------------------


def decode64(text, what):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong("log.format", f"{what} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Wrong("log.format", f"{what} is not canonical base64")
    return data


def good_name(name):
    bad = any(c.isspace() or c == "+" or unicodedata.category(c) == "Cc" for c in name)
    return bool(name) and not bad and len(name.encode()) <= NAME_BYTES_MAX


class Key:
    """A verifier key: name+hex(id)+base64(type || public key)."""

    def __init__(self, vkey):
        parts = vkey.split("+", 2)
        if len(parts) != 3 or not good_name(parts[0]):
            raise Wrong("log.format", "the verifier key is not `name+id+key`")
        self.name, key = parts[0], decode64(parts[2], "the verifier key")
        if len(key) != 33 or key[0] not in (ED25519, COSIGNATURE_V1):
            raise Wrong("log.format", "the verifier key is not an Ed25519 key")
        self.kind, self.public = key[0], key[1:]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + key).digest()[:4]
        if self.id.hex() != parts[1]:
            raise Wrong("log.format", "the verifier key's ID is not its key's")

    def verifies(self, message, signature):
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Checkpoint:
    """A signed note whose text is a checkpoint. Its signatures are not verified yet."""

    def __init__(self, note):
        def wrong(problem):
            return Wrong("log.format", f"the checkpoint is malformed: {problem}")

        if len(note) > NOTE_BYTES_MAX:
            raise wrong("too long")
        try:
            note = note.decode("utf-8")
        except UnicodeDecodeError:
            raise wrong("not UTF-8") from None
        if any(c < " " and c != "\n" for c in note):
            raise wrong("it has control characters")
        text, blank, lines = note.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise wrong("it has no signatures, or no final newline")
        self.text = text + "\n"
        self.signatures = []
        for line in lines[:-1].split("\n"):
            match = re.fullmatch(r"— ([^ ]+) ([A-Za-z0-9+/=]+)", line)
            if not match or not good_name(match[1]):
                raise wrong("a signature line")
            data = decode64(match[2], "a signature")
            if len(data) < 5:
                raise wrong("a signature is too short")
            self.signatures.append((match[1], data[:4], data[4:]))
        if len(self.signatures) > NOTE_SIGNATURES_MAX:
            raise wrong("too many signatures")
        body = text.split("\n")
        if len(body) < 3 or not all(body):
            raise wrong("it does not have three lines")
        self.origin = body[0]
        if not re.fullmatch(r"0|[1-9][0-9]{0,19}", body[1], re.ASCII) or int(body[1]) >= 2**64:
            raise wrong("its size is not a number")
        self.size = int(body[1])
        self.root = decode64(body[2], "the root")
        if len(self.root) != 32:
            raise wrong("its root does not have 32 bytes")

    def by(self, key):
        return [signature for name, id_, signature in self.signatures if (name, id_) == (key.name, key.id)]

    def verify(self, key):
        if self.origin != key.name:
            raise Wrong("log.origin", f"the checkpoint is of `{self.origin}`, expected `{key.name}`")
        signatures = self.by(key)
        if not signatures:
            raise Wrong("log.signature", f"the checkpoint is not signed by `{key.name}`")
        for signature in signatures:
            if key.kind != ED25519 or not key.verifies(self.text.encode(), signature):
                raise Wrong("log.signature", f"the signature of `{key.name}` on the checkpoint is wrong")

    def cosigned_by(self, witness):
        """The time of the newest cosignature of this witness, or None (C2SP tlog-cosignature)."""
        newest = None
        for signature in self.by(witness):
            time = int.from_bytes(signature[:8], "big")
            message = f"cosignature/v1\ntime {time}\n{self.text}".encode()
            if witness.kind != COSIGNATURE_V1 or time >= 2**63 or not witness.verifies(message, signature[8:]):
                raise Wrong("log.cosignature", f"the cosignature of `{witness.name}` is wrong")
            newest = max(newest or 0, time)
        return newest


# --- C2SP tlog-tiles --------------------------------------------------------------------------------------------------


def tile_path(kind, index, width):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return f"tile/{kind}/{'/'.join(groups)}" + ("" if width == TILE else f".p/{width}")


class Log:
    def __init__(self, folder):
        self.folder = folder

    def read(self, path, bytes_max):
        """The file's bytes, or None."""
        name = os.path.join(self.folder, path)
        try:
            if not stat.S_ISREG(os.stat(name).st_mode):
                raise Wrong("log.read", f"cannot read `{path}`: it is not a regular file")
            with open(name, "rb") as file:
                data = file.read(bytes_max + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Wrong("log.read", f"cannot read `{path}`: {error.strerror}") from None
        if len(data) > bytes_max:
            raise Wrong("log.format", f"`{path}` is too large")
        return data

    def tile(self, kind, index, width, bytes_max):
        """A tile's bytes, and its width; of the full tile where the partial one has been dropped."""
        for w in (width, TILE):
            path = tile_path(kind, index, w)
            data = self.read(path, bytes_max)
            if data is not None:
                return data, w, path
        raise Wrong("log.missing", f"`{tile_path(kind, index, width)}` is missing")

    def hashes(self, level, index, width):
        data, found, path = self.tile(level, index, width, BUNDLE_BYTES_MAX)
        if len(data) < found * 32:
            raise Wrong("log.truncated", f"`{path}` is cut off: {len(data)} bytes instead of {found * 32}")
        if len(data) > found * 32:
            raise Wrong("log.format", f"`{path}` has {len(data)} bytes instead of {found * 32}")
        return [data[at : at + 32] for at in range(0, width * 32, 32)]


def split_bundle(data):
    """The entries of a bundle; None for one that is cut off, and the end."""
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            yield None
            return
        yield data[at + 2 : end]
        at = end


# --- The time of entries (docs/spec/entry.md) -------------------------------------------------------------------------


def once(members):
    """An object whose members all have different names."""
    found = dict(members)
    if len(found) != len(members):
        raise ValueError("a member stands twice")
    return found


class Times:
    """The latest time so far, and the first entry that lies too far before it."""

    def __init__(self):
        self.latest, self.wrong = 0, None

    def see(self, index, entry):
        try:
            entry = json.loads(entry, object_pairs_hook=once)
            at, kind = entry["at"], entry["kind"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        # The log's own first entry and summaries of a past minute are dated otherwise.
        if type(at) is not int or not 0 <= at < 2**64 or type(kind) is not str or kind in ("log-key", "refusal-summary"):
            return
        if self.latest - at > TIME_BACK_MICROS_MAX and self.wrong is None:
            back = (self.latest - at) // 1_000_000
            self.wrong = Wrong("log.time", f"time goes backwards: entry {index} is dated {back} s before one above it")
        self.latest = max(self.latest, at)


# --- The whole log ----------------------------------------------------------------------------------------------------


def key_of_first_entry(log, head):
    """A killick log's first entry names its key: this proves that the log is consistent, not whose it is."""
    nothing = Wrong("log.key", "there is no key to check the log with: give --vkey or --trust")
    if head.size == 0:
        raise nothing
    data, _, _ = log.tile("entries", 0, min(head.size, TILE), BUNDLE_BYTES_MAX)
    first = next(split_bundle(data), None)
    try:
        entry = json.loads(first or b"")
        key = Key(entry["vkey"])
        if entry["kind"] == "log-key" and entry["origin"] == key.name:
            return key
    except (ValueError, KeyError, TypeError, AttributeError, Wrong):
        pass
    raise nothing


def verify_entries(log, head, older):
    """Every entry against every tile and the root; `older` are checkpoints that the log must extend."""
    entries = Tree()  # what the entries add up to
    leaves = None  # what the tiles of level 0 add up to, from the first difference on
    entry_wrong = tile_wrong = None
    times = Times()
    rewritten = [0 for old in older if old.size == 0 and old.root != entries.root()]  # sizes
    pending = {}  # level -> hashes of its unfinished tile

    def complete(level, index, hashes):
        """Compares an upper tile with its file; a full one gives a hash to the level above."""
        nonlocal tile_wrong
        if level > 0 and log.hashes(level, index, len(hashes)) != hashes and tile_wrong is None:
            tile_wrong = Wrong("log.tile", f"the tile `{tile_path(level, index, len(hashes))}` was changed")
        if len(hashes) == TILE:
            above = Tree()
            for hash_ in hashes:
                above.add(hash_)
            upper = pending.setdefault(level + 1, [0, []])
            upper[1].append(above.root())
            if len(upper[1]) == TILE:
                number, full = upper[0], upper[1]
                pending[level + 1] = [number + 1, []]
                complete(level + 1, number, full)

    for first in range(0, head.size, TILE):
        number, width = first // TILE, min(TILE, head.size - first)
        expected = log.hashes(0, number, width)
        data, found_width, path = log.tile("entries", number, width, BUNDLE_BYTES_MAX)
        bundle, found, differs = split_bundle(data), [], None
        before = entries.copy()
        for index, leaf in enumerate(expected, first):
            entry = next(bundle, None)
            if entry is None and differs is None:
                raise Wrong("log.truncated", f"`{path}` is cut off: it ends at entry {index}")
            # After a difference the tile's leaf stands in, so that later entries keep their places.
            found.append(leaf if entry is None else leaf_hash(entry))
            if entry is not None:
                times.see(index, entry)
            if found[-1] != leaf and differs is None:
                differs = index
            entries.add(found[-1])
            rewritten += [old.size for old in older if old.size == entries.size and old.root != entries.root()]
        if differs is None and found_width == width and any(True for _ in bundle):
            raise Wrong("log.format", f"`{path}` has more entries than its place allows")
        if differs is not None and entry_wrong is None:
            if sorted(found) == sorted(expected):
                entry_wrong = Wrong("log.order", f"the entries from {differs} on were put in another order")
            else:
                entry_wrong = Wrong("log.inclusion", f"entry {differs} was changed, dropped or put in")
            entry_wrong.tile = tile_path(0, number, width)
            leaves = before
        if leaves is not None:
            for leaf in expected:
                leaves.add(leaf)
        complete(0, number, found)
    for level in sorted(pending):
        number, hashes = pending[level]
        if hashes:
            complete(level, number, hashes)

    if entries.root() == head.root:
        if entry_wrong is not None:
            raise Wrong("log.tile", f"the tile `{entry_wrong.tile}` was changed")
        if tile_wrong is not None:
            raise tile_wrong
        if rewritten:
            raise Wrong("log.consistency", f"history was rewritten: size {head.size} does not extend {rewritten[0]}")
        if times.wrong is not None:
            raise times.wrong
        return
    if entry_wrong is not None and leaves.root() == head.root:
        raise entry_wrong
    raise Wrong("log.root", f"entries and tiles add up to another root than the checkpoint of size {head.size} states")


def read_trust(trust):
    """The keys of a trust file: {origin: key}, and the list of witnesses with their operators."""
    log = Key(trust["log_vkey"])
    if log.name != trust["origin"]:
        raise Wrong("log.origin", "the trust file's key is not its origin's")
    keys = {log.name: log}
    if trust.get("directory_vkey") is not None:
        directory = Key(trust["directory_vkey"])
        keys[directory.name] = directory
    witnesses = []
    for member in trust.get("witnesses", []):
        vkey, operator = (member, None) if isinstance(member, str) else (member["vkey"], member.get("operator"))
        key = Key(vkey)
        if key.kind != COSIGNATURE_V1:
            raise Wrong("log.format", f"the key of witness `{key.name}` is not one for cosignatures")
        witnesses.append((key, operator or key.name.split("/")[0]))
    return log, keys, witnesses


class Witnesses:
    """Who has cosigned a checkpoint, and who could have; counted by operator, without the log's own."""

    def __init__(self, head, key, trust, witnesses):
        own = trust.get("operator") or key.name.split("/")[0]
        self.cosigned, known, found = [], set(), set()
        for witness, operator in witnesses:
            counts = operator != own and witness.public != key.public
            if counts:
                known.add(operator)
            time = head.cosigned_by(witness)
            if time is not None:
                self.cosigned.append({"name": witness.name, "time": time})
                if counts:
                    found.add(operator)
        self.operators, self.missing = len(found), sorted(known - found)

    def require(self, number):
        if self.operators >= number:
            return
        if self.operators == 0:
            raise Wrong("log.not_witnessed", f"nobody has cosigned the checkpoint, {number} operators are required")
        missing = ", ".join(self.missing) or "nobody that is known"
        raise Wrong(
            "log.cosignature_missing",
            f"cosignatures are missing: {self.operators} of {number} operators have cosigned; missing: {missing}",
        )


def verify(folder, vkey=None, trust=None, require=0):
    log = Log(folder)
    # The newest head that witnesses have cosigned (killick's). Before the checkpoint: a log that goes on meanwhile publishes
    # a head before they do.
    witnessed = log.read("witnessed", NOTE_BYTES_MAX)
    note = log.read("checkpoint", NOTE_BYTES_MAX)
    if note is None:
        raise Wrong("log.missing", "`checkpoint` is missing")
    head = Checkpoint(note)
    seen, witnesses, source = None, [], "trust"
    if vkey is not None:
        key = Key(vkey)
    elif trust is not None:
        key, keys, witnesses = read_trust(trust)
        if trust.get("checkpoint") is not None:
            seen = Checkpoint(trust["checkpoint"].encode())
            seen.verify(keys.get(seen.origin, key))
            if seen.origin != head.origin:
                seen = None
        key = keys.get(head.origin, key)
    else:
        key, source = key_of_first_entry(log, head), "folder"
    head.verify(key)
    cosigned, cosigned_size = Witnesses(head, key, trust or {}, witnesses), head.size
    older = [] if seen is None else [seen]
    if witnessed is not None:
        witnessed = Checkpoint(witnessed)
        if witnessed.origin != head.origin:
            raise Wrong("log.origin", f"`witnessed` is a head of `{witnessed.origin}`")
        witnessed.verify(key)
        older.append(witnessed)
        by_others = Witnesses(witnessed, key, trust or {}, witnesses)
        if by_others.operators > cosigned.operators:
            cosigned, cosigned_size = by_others, witnessed.size
    for old in older:
        if head.size < old.size:
            raise Wrong("log.truncated", f"the log has {head.size} entries, a checkpoint seen before has {old.size}")
        if head.size == old.size and head.root != old.root:
            raise Wrong("log.fork", f"the log was forked: two signed checkpoints of size {head.size} differ")
    verify_entries(log, head, older)
    cosigned.require(require)
    return {
        "origin": head.origin,
        "size": head.size,
        "root": base64.b64encode(head.root).decode(),
        "verified": True,
        "key_source": source,
        "witnesses": cosigned.cosigned,
        "operators": cosigned.operators,
        "witnessed_size": cosigned_size if cosigned.cosigned else 0,
    }


# --- C2SP tlog-proof --------------------------------------------------------------------------------------------------


def verify_proof(data, entry=None, vkey=None, trust=None, require=0):
    """Checks a .tlog-proof, for an entry or for the leaf hash that its extra line names."""

    def wrong(problem):
        return Wrong("log.format", f"the proof is malformed: {problem}")

    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise wrong("not UTF-8") from None
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if len(data) > PROOF_BYTES_MAX or not blank or lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise wrong("too long, without a checkpoint, or of another version")
    extra = decode64(lines.pop(0)[6:], "the extra line") if lines and lines[0].startswith("extra ") else None
    match = re.fullmatch(r"index (0|[1-9][0-9]{0,19})", lines.pop(0), re.ASCII) if lines else None
    if not match or int(match[1]) >= 2**64 or len(lines) > PROOF_HASHES_MAX:
        raise wrong("no index, or too many hashes")
    index, path = int(match[1]), [decode64(line, "a hash") for line in lines]
    if any(len(hash_) != 32 for hash_ in path):
        raise wrong("a hash does not have 32 bytes")
    checkpoint, witnesses = Checkpoint(note.encode()), []
    if vkey is not None:
        key = Key(vkey)
    else:
        key, keys, witnesses = read_trust(trust)
        key = keys.get(checkpoint.origin, key)
    checkpoint.verify(key)
    cosigned = Witnesses(checkpoint, key, trust or {}, witnesses)
    if entry is None and (extra is None or len(extra) != 32):
        raise wrong("it does not name its entry's hash: give --entry")
    leaf = leaf_hash(entry) if entry is not None else extra
    if not included(leaf, index, checkpoint.size, path, checkpoint.root):
        raise Wrong("log.inclusion", f"entry {index} is not what the log includes at this index")
    cosigned.require(require)
    return {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "index": index,
        "leaf": base64.b64encode(leaf).decode(),
        "verified": True,
        "witnesses": cosigned.cosigned,
        "operators": cosigned.operators,
    }


def included(leaf, index, size, path, root):
    """RFC 6962 section 2.1.1, read backwards: the shape of the tree says on which side each hash stands."""
    if index >= size:
        return False
    sides, start, end = [], 0, size
    while end - start > 1:
        middle = start + (1 << ((end - start - 1).bit_length() - 1))
        if index < middle:
            sides.append("right")
            end = middle
        else:
            sides.append("left")
            start = middle
    if len(path) != len(sides):
        return False
    for side, sibling in zip(reversed(sides), path):
        leaf = node_hash(leaf, sibling) if side == "right" else node_hash(sibling, leaf)
    return leaf == root


# --- The command line -------------------------------------------------------------------------------------------------


def attempt(work):
    """What a check returns or raises, as one JSON object, and the exit code."""
    try:
        return work(), 0
    except Wrong as wrong:
        return {"verified": False, "error": {"code": wrong.code, "detail": str(wrong)}}, EXIT.get(wrong.code, 5)


def good_trust(trust):
    return (
        isinstance(trust, dict)
        and all(isinstance(trust.get(name), str) for name in ("origin", "log_vkey"))
        and isinstance(trust.get("witnesses", []), list)
        and all(
            isinstance(w, str) or (isinstance(w, dict) and isinstance(w.get("vkey"), str)) for w in trust.get("witnesses", [])
        )
    )


def batch():
    for line in sys.stdin:
        request = json.loads(line)
        trust = request.get("trust")
        if trust is not None and not good_trust(trust):
            answer = {"verified": False, "error": {"code": "log.format", "detail": "no trust file"}}
        else:
            answer, _ = attempt(
                lambda: verify(request["folder"], request.get("vkey"), trust, request.get("require_witnesses", 0))
            )
        print(json.dumps({"folder": request["folder"], **answer}), flush=True)
    return 0


def read_file(parser, path):
    try:
        with open(path, "rb") as file:
            return file.read(PROOF_BYTES_MAX + 1)
    except OSError as error:
        parser.error(f"cannot read {path}: {error.strerror}")


def told(result):
    place = f"entry {result['index']} of {result['size']}" if "index" in result else f"{result['size']} entries"
    lines = [f"{result['origin']}: {place} verified"]
    if "root" in result:
        lines.append(f"root {result['root']}")
    if result.get("key_source") == "folder":
        lines.append("key taken from the folder: proves consistency, not origin")
    lines += [f"cosigned by {witness['name']} at {witness['time']}" for witness in result["witnesses"]]
    if not result["witnesses"]:
        lines.append("no witness has cosigned it")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description="Checks a transparency log in a folder, or one proof.")
    parser.add_argument("folder", metavar="DIR", nargs="?")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--vkey", help="the log's verifier key")
    keys.add_argument("--trust", metavar="FILE", help="trust.json: origin, log_vkey, witnesses")
    parser.add_argument("--require-witnesses", metavar="N", type=int, default=0, help="so many operators have cosigned")
    parser.add_argument("--proof", metavar="FILE", help="check this .tlog-proof")
    parser.add_argument("--entry", metavar="FILE", help="the bytes of the proof's entry")
    parser.add_argument("--batch", action="store_true", help="one request a line on standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    if [options.folder is not None, options.proof is not None, options.batch].count(True) != 1:
        parser.error("give one of DIR, --proof and --batch")
    if options.batch:
        return batch()
    trust = None
    if options.trust is not None:
        try:
            with open(options.trust, encoding="utf-8") as file:
                trust = json.load(file)
        except (OSError, ValueError) as error:
            parser.error(f"cannot use {options.trust}: {error}")
        if not good_trust(trust):
            parser.error(f"cannot use {options.trust}: it has no `origin` or `log_vkey`, or its witnesses are malformed")
    if options.require_witnesses and trust is None:
        parser.error("--require-witnesses needs --trust, which names the witnesses")
    if options.proof is not None:
        if trust is None and options.vkey is None:
            parser.error("--proof needs --vkey or --trust")
        entry = None if options.entry is None else read_file(parser, options.entry)
        proof = read_file(parser, options.proof)
        result, code = attempt(lambda: verify_proof(proof, entry, options.vkey, trust, options.require_witnesses))
    else:
        result, code = attempt(lambda: verify(options.folder, options.vkey, trust, options.require_witnesses))
    if options.json:
        print(json.dumps(result))
    elif code == 0:
        print(told(result))
    else:
        print(f"does not verify: {result['error']['detail']} ({result['error']['code']})", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
