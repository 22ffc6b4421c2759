#!/usr/bin/env python3
"""Checks a transparency log in a folder, without its server and without killick.

    verify_log.py DIR [--vkey VKEY | --trust trust.json] [--json]

Written from the C2SP specifications (tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature) and RFC 6962 alone, as
a second opinion: it shares no code with killick. It needs Python 3.9 or newer and the package `cryptography`, for
Ed25519. What it does, in order:

 1. `checkpoint` is a signed note; its origin is the expected one, and the log's key has signed it.
 2. Cosignatures of the witnesses in the trust file verify, where there are any.
 3. Every entry in `tile/entries/` hashes to its leaf in `tile/0/`, and every tile to the one above.
 4. All entries together hash to the root in the checkpoint, which is no older than, and extends, the checkpoint that
    the trust file holds (member `checkpoint`), if it holds one.

Exit codes: 0 the log verifies, 2 usage, 5 it does not.
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

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TILE = 256
NOTE_BYTES_MAX = 128 * 1024
BUNDLE_BYTES_MAX = TILE * (2 + 65535)
ED25519, COSIGNATURE_V1 = 0x01, 0x04


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
    return bool(name) and "+" not in name and not any(c.isspace() or not c.isprintable() for c in name)


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


def verify_entries(log, head, seen):
    entries = Tree()  # what the entries add up to
    leaves = None  # what the tiles of level 0 add up to, from the first difference on
    entry_wrong = tile_wrong = None
    rewritten = seen is not None and seen.size == 0 and seen.root != entries.root()
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
            if found[-1] != leaf and differs is None:
                differs = index
            entries.add(found[-1])
            if seen is not None and seen.size == entries.size:
                rewritten = entries.root() != seen.root
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
            raise Wrong("log.consistency", f"history was rewritten: size {head.size} does not extend {seen.size}")
        return
    if entry_wrong is not None and leaves.root() == head.root:
        raise entry_wrong
    raise Wrong("log.root", f"entries and tiles add up to another root than the checkpoint of size {head.size} states")


def verify(folder, vkey, trust):
    log = Log(folder)
    note = log.read("checkpoint", NOTE_BYTES_MAX)
    if note is None:
        raise Wrong("log.missing", "`checkpoint` is missing")
    head = Checkpoint(note)
    witnesses, seen, source = [], None, "trust"
    if vkey is not None:
        key = Key(vkey)
    elif trust is not None:
        key = Key(trust["log_vkey"])
        if key.name != trust["origin"]:
            raise Wrong("log.origin", "the trust file's key is not its origin's")
        directory = trust.get("directory_vkey")
        if directory is not None and Key(directory).name == head.origin:
            key = Key(directory)
        if trust.get("checkpoint") is not None:
            seen = Checkpoint(trust["checkpoint"].encode())
            if seen.origin == key.name:
                seen.verify(key)
            else:
                seen = None
    else:
        key, source = key_of_first_entry(log, head), "folder"
    head.verify(key)
    if trust is not None:
        for witness in map(Key, trust.get("witnesses", [])):
            time = head.cosigned_by(witness)
            if time is not None:
                witnesses.append({"name": witness.name, "time": time})
    if seen is not None and head.size < seen.size:
        raise Wrong("log.truncated", f"the log has {head.size} entries, a checkpoint seen before has {seen.size}")
    if seen is not None and head.size == seen.size and head.root != seen.root:
        raise Wrong("log.fork", f"the log was forked: two signed checkpoints of size {head.size} differ")
    verify_entries(log, head, seen)
    return {
        "origin": head.origin,
        "size": head.size,
        "root": base64.b64encode(head.root).decode(),
        "verified": True,
        "key_source": source,
        "witnesses": witnesses,
    }


def main():
    parser = argparse.ArgumentParser(description="Checks a transparency log in a folder.")
    parser.add_argument("folder", metavar="DIR")
    keys = parser.add_mutually_exclusive_group()
    keys.add_argument("--vkey", help="the log's verifier key")
    keys.add_argument("--trust", metavar="FILE", help="trust.json: origin, log_vkey, witnesses")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    trust = None
    if options.trust is not None:
        try:
            with open(options.trust, encoding="utf-8") as file:
                trust = json.load(file)
            if not isinstance(trust, dict) or not all(isinstance(trust.get(k), str) for k in ("origin", "log_vkey")):
                raise ValueError("no `origin` or `log_vkey`")
        except (OSError, ValueError) as error:
            parser.error(f"cannot use {options.trust}: {error}")
    try:
        result = verify(options.folder, options.vkey, trust)
    except Wrong as wrong:
        if options.json:
            print(json.dumps({"verified": False, "error": {"code": wrong.code, "detail": str(wrong)}}))
        else:
            print(f"does not verify: {wrong} ({wrong.code})", file=sys.stderr)
        return 5
    if options.json:
        print(json.dumps(result))
    else:
        print(f"{result['origin']}: {result['size']} entries verify, root {result['root']}")
        if result["key_source"] == "folder":
            print("key taken from the folder: proves consistency, not origin")
        for witness in result["witnesses"]:
            print(f"cosigned by {witness['name']} at {witness['time']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
