"""Makes chains of Attenuating Agent Tokens, written from the text of
draft-niyikiza-oauth-attenuating-agent-tokens-01 (section 6, token derivation) alone; valid ones, and ones with a fault.

    aat_make.py SEED COUNT

prints COUNT cases, one JSON object a line, in the form that `aat_verify.py` reads, with a member `mutation` that says what
was done to the case ("none": nothing). It shares no code with killick, and none with `aat_verify.py`: whether a case is to
be permitted is for the verifiers to say. The same seed makes the same cases.
"""

import base64
import hashlib
import json
import random
import sys
import uuid

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NOW = 1_790_000_000
LIFETIME_MAX = 86_400
TOOLS = ["pay", "read:invoices", "https://tools.example/search", "send mail", "läs:fil"]
WORDS = ["EUR", "USD", "CHF", "a", "b", "c", "", "x y", "\u00e9", "e\u0301", "\U0001f600"]


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Key:
    def __init__(self, rng):
        self.private = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
        self.x = b64(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
        self.jwk = {"kty": "OKP", "crv": "Ed25519", "x": self.x}

    def thumbprint_uri(self):
        members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": self.x}, separators=(",", ":"))
        return "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + b64(hashlib.sha256(members.encode()).digest())

    def sign(self, header, payload):
        signing_input = b64(header.encode()) + "." + b64(payload)
        return signing_input + "." + b64(self.private.sign(signing_input.encode()))


def written(rng, value):
    """Any of the spellings that JSON leaves open: blanks, escapes, the order of members."""
    style = rng.randrange(3)
    if isinstance(value, dict) and style == 1:
        value = dict(rng.sample(sorted(value.items()), len(value)))
    if style == 2:
        return json.dumps(value, indent=1, ensure_ascii=True).encode()
    return json.dumps(value, separators=(",", ":"), ensure_ascii=bool(style)).encode()


def value(rng, deep=True):
    kinds = ["word", "int", "float", "bool", "null"] + (["list", "object"] if deep else [])
    kind = rng.choice(kinds)
    if kind == "word":
        return rng.choice(WORDS)
    if kind == "int":
        return rng.choice([0, 1, 5, 100, -3, 2**53 - 1, 10**15])
    if kind == "float":
        return rng.choice([0.5, 1.0, 99.99, 1e21, -2.5, 1e-7])
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "null":
        return None
    if kind == "list":
        return [value(rng, False) for _ in range(rng.randrange(3))]
    return {rng.choice(WORDS): value(rng, False) for _ in range(rng.randrange(3))}


# --- constraints (section 3.4), and narrower ones (section 4.5) ------------------------------------------------------------


def constraint(rng, depth=0):
    kind = rng.choice(["exact", "range", "one_of", "not_one_of", "contains", "subset", "wildcard"]
                      + (["all", "any"] if depth < 2 else []))
    made = {"constraint_type": kind}
    if kind == "exact":
        made["value"] = value(rng, False)
    elif kind == "range":
        low = rng.choice([-5, 0, 0.5, 1])
        if rng.random() < 0.7:
            made["min"] = low
        if rng.random() < 0.7:
            made["max"] = low + rng.choice([0, 1, 10, 99.5])
        for name in ("min_inclusive", "max_inclusive"):
            if rng.random() < 0.2:
                made[name] = rng.random() < 0.5
    elif kind == "one_of":
        made["values"] = [value(rng) for _ in range(rng.randrange(1, 4))]
    elif kind == "not_one_of":
        made["excluded"] = [value(rng) for _ in range(rng.randrange(3))]
    elif kind == "contains":
        made["required"] = [value(rng) for _ in range(rng.randrange(3))]
    elif kind == "subset":
        made["allowed"] = [value(rng) for _ in range(rng.randrange(3))]
    elif kind in ("all", "any"):
        made["constraints"] = [constraint(rng, depth + 1) for _ in range(rng.randrange(1, 4))]
    return made


def number_in(rng, bounds):
    low, high = bounds.get("min"), bounds.get("max")
    if low is not None and high is not None:
        return (low + high) / 2
    return low + 1 if low is not None else high - 1 if high is not None else 7


def narrower(rng, parent):
    """A constraint that section 4.5 lets stand below `parent`; sometimes the same one."""
    kind = parent["constraint_type"]
    if rng.random() < 0.3:
        return dict(parent)
    if kind == "wildcard":
        return constraint(rng)
    if kind == "range":
        if rng.random() < 0.3:
            return {"constraint_type": "exact", "value": number_in(rng, parent)}
        made = dict(parent)
        if "min" in made and rng.random() < 0.5:
            made["min"] = made["min"] + 0.25
        if "max" in made:
            made["max_inclusive"] = False
        return made
    if kind == "one_of":
        kept = rng.sample(parent["values"], rng.randrange(1, len(parent["values"]) + 1))
        if rng.random() < 0.3 and not isinstance(kept[0], (list, dict)):
            return {"constraint_type": "exact", "value": kept[0]}
        return {"constraint_type": "one_of", "values": kept}
    if kind == "not_one_of":
        return {"constraint_type": kind, "excluded": parent["excluded"] + [value(rng)]}
    if kind == "contains":
        return {"constraint_type": kind, "required": parent["required"] + [value(rng)]}
    if kind == "subset":
        kept = rng.sample(parent["allowed"], rng.randrange(len(parent["allowed"]) + 1))
        return {"constraint_type": kind, "allowed": kept}
    if kind == "all":
        clauses = [narrower(rng, clause) for clause in parent["constraints"]]
        if rng.random() < 0.5:
            clauses.append(constraint(rng, 2))
        rng.shuffle(clauses)
        return {"constraint_type": kind, "constraints": clauses}
    if kind == "any":
        clauses = [narrower(rng, clause) for clause in parent["constraints"]]
        return {"constraint_type": kind, "constraints": clauses[: rng.randrange(1, len(clauses) + 1)]}
    return dict(parent)


def satisfying(rng, made):
    """A value that is likely to satisfy the constraint."""
    kind = made["constraint_type"]
    if kind == "exact":
        return made["value"]
    if kind == "range":
        return number_in(rng, made)
    if kind == "one_of":
        return rng.choice(made["values"])
    if kind == "contains":
        return made["required"] + [value(rng)]
    if kind == "subset":
        return list(made["allowed"])
    if kind == "all":
        return satisfying(rng, made["constraints"][0])
    if kind == "any":
        return satisfying(rng, rng.choice(made["constraints"]))
    return value(rng)


def tool_map(rng):
    names = rng.sample(TOOLS, rng.randrange(1, 4))
    arguments = ["amount", "to", "cc", "läge"]
    return {
        name: {argument: constraint(rng) for argument in rng.sample(arguments, rng.choice([0, 1, 2, 3]))}
        for name in names
    }


def narrower_map(rng, parent, keep):
    made = {}
    for name, constraints in parent.items():
        if name != keep and rng.random() < 0.3:
            continue
        if not constraints and rng.random() < 0.3:
            made[name] = {"amount": constraint(rng)}
        else:
            made[name] = {argument: narrower(rng, wider) for argument, wider in constraints.items()}
    return made


# --- a chain (section 6), its claims still open to change ----------------------------------------------------------------------


class Case:
    def __init__(self, rng, number):
        self.rng, self.number = rng, number
        count = rng.choice([1, 1, 2, 2, 2, 3, 3, 4, 5])
        self.keys = [Key(rng) for _ in range(count + 1)]
        self.headers = ['{"alg":"EdDSA"}'] * count
        self.claims, self.spoil_hash = [], {}
        tools = tool_map(rng)
        self.tool = rng.choice(sorted(tools))
        iat, exp = NOW - rng.randrange(100), NOW + rng.randrange(60, 3_600)
        for depth in range(count):
            if depth:
                tools = narrower_map(rng, tools, self.tool)
                iat, exp = iat + rng.randrange(3), exp - rng.randrange(5)
            self.claims.append({
                "jti": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
                "iss": self.keys[depth].thumbprint_uri() if depth else "https://as.example",
                "iat": iat, "exp": exp,
                "cnf": {"jwk": self.keys[depth + 1].jwk},
                "del_depth": depth, "del_max_depth": rng.randrange(count - 1, 6) if not depth else count - 1,
                "authorization_details": [{"type": "attenuating_agent_token", "tools": tools}],
            })
        self.args = {name: satisfying(rng, made) for name, made in tools[self.tool].items()}
        if not tools[self.tool]:
            self.args = {"free": value(rng)}
        self.signers = list(range(count))
        self.pop = None
        if rng.random() < 0.5:
            self.pop = {
                "jti": str(uuid.UUID(int=rng.getrandbits(128), version=4)), "iat": NOW + rng.randrange(-30, 31),
                "aat_id": self.claims[-1]["jti"], "aat_tool": self.tool, "hta": self.args,
            }
            if rng.random() < 0.5:
                self.pop["aat_aud"] = "https://gw.example"
        self.audience = self.pop.get("aat_aud") if self.pop else None
        self.after = lambda chain: chain

    def tools(self, link):
        return self.claims[link]["authorization_details"][0]["tools"]

    def signed(self):
        chain = []
        for depth, claims in enumerate(self.claims):
            if depth and depth not in self.spoil_hash:
                claims["par_hash"] = b64(hashlib.sha256(chain[-1].rsplit(".", 1)[0].encode()).digest())
            payload = written(self.rng, claims)
            chain.append(self.keys[self.signers[depth]].sign(self.headers[depth], payload))
        return self.after(chain)

    def line(self, mutation):
        pop = None
        if self.pop is not None:
            # Section 5.2: signed in its canonical form. The floats here print the same in both.
            payload = json.dumps(self.pop, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            pop = self.keys[len(self.claims)].sign('{"alg":"EdDSA"}', payload)
        return json.dumps({
            "id": f"python-{self.number}", "mutation": mutation, "chain": self.signed(),
            "anchors": [self.keys[0].jwk], "now": NOW, "lifetime_max": LIFETIME_MAX, "tool": self.tool,
            "args": written(self.rng, self.args).decode(), "pop": pop, "audience": self.audience,
        })


# --- faults ------------------------------------------------------------------------------------------------------------------------


def change_claim(name, *values):
    def change(case, link):
        case.claims[link][name] = case.rng.choice(values)
    return change


def drop_claim(case, link):
    name = case.rng.choice(sorted(case.claims[link]))
    del case.claims[link][name]


def shift_time(case, link):
    name = case.rng.choice(["iat", "exp"])
    case.claims[link][name] += case.rng.choice([-4_000, -61, -1, -0.5, 0.5, 1, 31, 90, 90_000])


def widen_argument(case, link):
    for constraints in case.tools(link).values():
        for name in constraints:
            constraints[name] = constraint(case.rng)
            return


def add_tool(case, link):
    case.tools(link)["execute:payments"] = {}


def add_argument(case, link):
    case.tools(link)[case.tool]["more"] = {"constraint_type": "wildcard"}


def empty_map(case, link):
    case.tools(link)[case.tool] = {}


def unknown_type(case, link):
    case.tools(link)[case.tool]["more"] = {"constraint_type": "x-unknown"}


def too_deep(case, link):
    made = {"constraint_type": "wildcard"}
    for _ in range(case.rng.choice([31, 32])):
        made = {"constraint_type": "all", "constraints": [made]}
    case.tools(link)[case.tool] = {"more": made}


def entries(case, link):
    entry = case.claims[link]["authorization_details"][0]
    other = {"type": "other", "tools": 7}
    case.claims[link]["authorization_details"] = case.rng.choice(
        [[], [other], [entry, entry], [other, entry], [other, entry, other], entry, [None, entry], "x"])


def other_signer(case, link):
    case.signers[link] = (link + 1) % len(case.keys)


def other_hash(case, link):
    case.spoil_hash[link] = True
    case.claims[link]["par_hash"] = b64(case.rng.randbytes(32))


def no_hash(case, link):
    case.spoil_hash[link] = True


def header(case, link):
    case.headers[link] = case.rng.choice([
        '{"alg":"none"}', '{"alg":"HS256"}', '{"alg":"ES256"}', "{}", '{"alg":"Ed25519"}', '{"typ":"JWT","alg":"EdDSA"}',
        '{"alg":"EdDSA","crit":["x"]}', '{"alg":null}', "[]", '{"alg":"EdDSA","x-more":[1]}',
    ])


def private_key(case, link):
    case.claims[link]["cnf"]["jwk"] = dict(case.claims[link]["cnf"]["jwk"], d=b64(case.rng.randbytes(32)))


def same_jti(case, link):
    case.claims[link]["jti"] = case.claims[0]["jti"]
    if case.pop:
        case.pop["aat_id"] = case.claims[-1]["jti"]


def order(case, link):
    def shuffle(chain):
        kind = case.rng.randrange(5)
        if kind == 0:
            return chain[::-1]
        if kind == 1:
            return chain[link:]
        if kind == 2:
            return chain + [chain[-1]]
        if kind == 3:
            return chain[:link] + chain[link + 1:]
        return chain[: link + 1]
    case.after = shuffle


def one_byte(case, link):
    def spoil(chain):
        token = chain[link]
        at = case.rng.randrange(len(token))
        chain[link] = token[:at] + case.rng.choice("ABCXYZabc059-_.=+") + token[at + 1:]
        return chain
    case.after = spoil


def arguments(case, link):
    kind = case.rng.randrange(4)
    if kind == 0:
        case.args["extra"] = 1
    elif kind == 1 and case.args:
        del case.args[sorted(case.args)[0]]
    elif kind == 2 and case.args:
        case.args[sorted(case.args)[0]] = value(case.rng)
    else:
        case.tool = case.rng.choice([case.tool + " ", case.tool.upper(), "pay", "other"])


def proof(case, link):
    if case.pop is None:
        return
    case.pop = dict(case.pop)
    kind = case.rng.randrange(7)
    if kind == 0:
        case.pop["iat"] = NOW + case.rng.choice([-31, -30.5, -30, 30, 30.5, 31])
    elif kind == 1:
        case.pop["aat_id"] = case.claims[0]["jti"]
    elif kind == 2:
        case.pop["aat_tool"] = case.rng.choice(TOOLS)
    elif kind == 3:
        case.pop["hta"] = dict(case.args, more=1)
    elif kind == 4:
        case.audience = "https://other.example"
    elif kind == 5:
        del case.pop[case.rng.choice(sorted(case.pop))]
    else:
        case.pop["x-more"] = {"a": [1]}


FAULTS = {
    "drop": drop_claim, "times": shift_time, "widen": widen_argument, "tool": add_tool, "argument": add_argument,
    "empty-map": empty_map, "unknown-type": unknown_type, "depth-of-constraint": too_deep, "entries": entries,
    "signer": other_signer, "par-hash": other_hash, "no-par-hash": no_hash, "header": header, "private-key": private_key,
    "same-jti": same_jti, "order": order, "one-byte": one_byte, "arguments": arguments, "proof": proof,
    "del-depth": change_claim("del_depth", 0, 1, 2, -1, 1.5, 1.0, "1", None, True),
    "del-max-depth": change_claim("del_max_depth", 0, 1, 3, 32, 33, -1, 2.5, "3", None),
    "iss": change_claim("iss", "https://as.example", "authority", "urn:a:b", "http://[::1", "a b:c", 7, ""),
    "jti": change_claim("jti", "", 7, None, "any text"),
    "times-type": change_claim("exp", "9999999999", None, True, [1], NOW, NOW + 0.5, 1e400),
    "unknown-claim": change_claim("https://more.example/claim", {"a": [1]}, "x", None),
}


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    for number in range(count):
        case, mutation = Case(rng, number), "none"
        if rng.random() < 0.5:
            mutation = rng.choice(sorted(FAULTS))
            FAULTS[mutation](case, rng.randrange(len(case.claims)))
        print(case.line(mutation))


if __name__ == "__main__":
    main()
