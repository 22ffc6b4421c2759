"""A second verifier of Attenuating Agent Tokens, written from the text of
draft-niyikiza-oauth-attenuating-agent-tokens-01 alone.

It shares no code with killick and is kept small and slow on purpose: it is the oracle that the fast one is held against.
It knows the draft, and the RFCs that the draft builds on, only: killick's private claims, SPIFFE IDs, revocations and its
stricter headers are not its business.

Reads one JSON object a line on standard input:
    {"id", "chain": [JWS, ...], "anchors": [JWK, ...], "now": seconds, "tool", "args": JSON text, "pop": JWS or null,
     "audience": text or null, "lifetime_max": seconds}
A `pop` of null asks for steps 1 to 6 alone. The chain's encoded form is its tokens joined by one character.
and answers each with one line: {"id", "verdict": "permit" | "deny", "step": "4h" | null}.
"""

import base64
import decimal
import hashlib
import ipaddress
import json
import re
import sys
from decimal import Decimal, InvalidOperation

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_TOKEN_SIZE = 65536
MAX_STACK_SIZE = 262144
MAX_DELEGATION_DEPTH = 32
MAX_CONSTRAINT_DEPTH = 32
MAX_IAT_SKEW = 30
POP_TOLERANCE = 30
ENTRY_TYPE = "attenuating_agent_token"

# Sums of times are exact: no claim has more digits than this.
decimal.setcontext(decimal.Context(prec=400, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN, traps=[InvalidOperation]))


class Deny(Exception):
    """Verification failed at this step of the draft's section 7."""


def require(condition, step):
    if not condition:
        raise Deny(step)


# --- encodings -------------------------------------------------------------------------------------------------------


def from_base64url(text, step):
    """Unpadded, canonical base64url (RFC 7515 appendix C)."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, UnicodeEncodeError):
        raise Deny(step) from None
    require(to_base64url(raw) == text, step)
    return raw


def to_base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def unique_members(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate member")
    return members


def no_constant(text):
    raise ValueError(text)


def parse_json(raw, step):
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        if text.startswith("\ufeff"):
            raise ValueError("byte order mark")
        value = json.loads(
            text,
            parse_int=Decimal,
            parse_float=Decimal,
            parse_constant=no_constant,
            object_pairs_hook=unique_members,
        )
        reject_surrogates(value)
        return value
    except (ValueError, RecursionError, InvalidOperation):
        raise Deny(step) from None


def reject_surrogates(value):
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, list):
        for item in value:
            reject_surrogates(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            key.encode("utf-8")
            reject_surrogates(item)


def split_jws(token, step):
    parts = token.split(".")
    require(len(parts) == 3 and all(parts), step)
    return parts


def signing_input(token):
    return token.rsplit(".", 1)[0].encode("ascii", "replace")


# --- keys ------------------------------------------------------------------------------------------------------------


def public_key(jwk, step):
    require(isinstance(jwk, dict), step)
    require(not any(name in jwk for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")), step)
    require(jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519" and isinstance(jwk.get("x"), str), step)
    raw = from_base64url(jwk["x"], step)
    require(len(raw) == 32, step)
    return Ed25519PublicKey.from_public_bytes(raw)


def thumbprint_uri(jwk):
    text = '{"crv":"Ed25519","kty":"OKP","x":"%s"}' % jwk["x"]
    return "urn:ietf:params:oauth:jwk-thumbprint:sha-256:" + to_base64url(hashlib.sha256(text.encode()).digest())


def check_header(token, step):
    """The header is read before the signature: it says which algorithm. Only Ed25519 is on this allow-list."""
    header = parse_json(from_base64url(split_jws(token, step)[0], step), step)
    require(isinstance(header, dict) and header.get("alg") in ("EdDSA", "Ed25519"), step)
    # RFC 7515 section 4.1.11: an extension that must be understood is not understood here.
    require("crit" not in header, step)


def signature_holds(token, jwk, step):
    key = public_key(jwk, step)
    head, payload, signature = split_jws(token, step)
    try:
        key.verify(from_base64url(signature, step), f"{head}.{payload}".encode("ascii"))
        return True
    except (InvalidSignature, UnicodeEncodeError):
        return False


# --- values ----------------------------------------------------------------------------------------------------------


def equal(left, right):
    """JSON equality: by type; numbers by exact value; a boolean is no number."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if left is None or right is None:
        return left is right
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(equal(a, b) for a, b in zip(left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return left == right


def member(value, values):
    return any(equal(value, other) for other in values)


def scalar(value):
    return value is None or isinstance(value, (bool, str, Decimal))


def jcs(value):
    """RFC 8785. Its input is I-JSON (section 3.1), so a number that a double does not hold has no canonical form."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be"))
        return "{" + ",".join(jcs(name) + ":" + jcs(member) for name, member in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(jcs(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return jcs_number(value)
    return json.dumps(value, ensure_ascii=False)


def jcs_number(value):
    """ECMAScript's Number::toString, by way of the shortest digits that Python finds too."""
    double = float(value)
    require(abs(double) < float("inf") and Decimal(repr(double)) == value, "7f")
    if double == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(double)).normalize().as_tuple()
    digits, sign = "".join(map(str, digits)), "-" if sign else ""
    point = len(digits) + exponent
    if 0 < point <= 21:
        whole, rest = digits[:point].ljust(point, "0"), digits[point:]
        return sign + whole + ("." + rest if rest else "")
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    rest = "." + digits[1:] if digits[1:] else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"


# --- constraints: sections 3.4 and 4.5 -----------------------------------------------------------------------------------

LISTS = {"one_of": "values", "not_one_of": "excluded", "contains": "required", "subset": "allowed"}


def check_form(constraint, step, depth=1):
    """Is it a constraint that this verifier knows, within the depth bound? Unknown types deny (section 8.8)."""
    require(depth <= MAX_CONSTRAINT_DEPTH, step)
    require(isinstance(constraint, dict), step)
    kind = constraint.get("constraint_type")
    if kind == "exact":
        require("value" in constraint and scalar(constraint["value"]), step)
    elif kind == "range":
        for name in ("min", "max"):
            require(constraint.get(name) is None and name not in constraint or isinstance(constraint.get(name), Decimal), step)
        for name in ("min_inclusive", "max_inclusive"):
            require(isinstance(constraint.get(name, True), bool), step)
    elif kind in LISTS:
        require(isinstance(constraint.get(LISTS[kind]), list), step)
    elif kind in ("all", "any"):
        require(isinstance(constraint.get("constraints"), list), step)
        for clause in constraint["constraints"]:
            check_form(clause, step, depth + 1)
    else:
        require(kind == "wildcard", step)


def bounds(constraint):
    return (
        constraint.get("min"),
        constraint.get("max"),
        constraint.get("min_inclusive", True),
        constraint.get("max_inclusive", True),
    )


def satisfies(value, constraint):
    kind = constraint["constraint_type"]
    if kind == "exact":
        return equal(value, constraint["value"])
    if kind == "range":
        if isinstance(value, bool) or not isinstance(value, Decimal):
            return False
        low, high, low_in, high_in = bounds(constraint)
        above = low is None or value > low or (low_in and value == low)
        below = high is None or value < high or (high_in and value == high)
        return above and below
    if kind == "one_of":
        return member(value, constraint["values"])
    if kind == "not_one_of":
        return not member(value, constraint["excluded"])
    if kind == "contains":
        return isinstance(value, list) and all(member(item, value) for item in constraint["required"])
    if kind == "subset":
        return isinstance(value, list) and all(member(item, constraint["allowed"]) for item in value)
    if kind == "wildcard":
        return True
    if kind == "all":
        return all(satisfies(value, clause) for clause in constraint["constraints"])
    return any(satisfies(value, clause) for clause in constraint["constraints"])


def subset_of(left, right):
    return all(member(item, right) for item in left)


def subsumes(child, parent):
    """child is at least as restrictive as parent, by the closed list of pairs of section 4.5."""
    c, p = child["constraint_type"], parent["constraint_type"]
    if p == "wildcard":
        return True
    if c == "exact":
        if p == "exact":
            return equal(child["value"], parent["value"])
        return p in ("range", "one_of") and satisfies(child["value"], parent)
    if c != p:
        return False
    if c == "range":
        child_low, child_high, child_low_in, child_high_in = bounds(child)
        low, high, low_in, high_in = bounds(parent)
        if low is not None:
            if child_low is None or child_low < low or (child_low == low and child_low_in and not low_in):
                return False
        if high is not None:
            if child_high is None or child_high > high or (child_high == high and child_high_in and not high_in):
                return False
        return True
    if c == "one_of":
        return subset_of(child["values"], parent["values"])
    if c == "not_one_of":
        return subset_of(parent["excluded"], child["excluded"])
    if c == "contains":
        return subset_of(parent["required"], child["required"])
    if c == "subset":
        return subset_of(child["allowed"], parent["allowed"])
    if c == "any":
        return bool(child["constraints"]) and all(any(subsumes(d, q) for q in parent["constraints"]) for d in child["constraints"])
    if c == "all":
        return match_all(parent["constraints"], child["constraints"])
    return False


def match_all(parents, children):
    """Each parent clause has a child clause of its own that subsumes it (augmenting paths)."""
    owner = {}

    def place(index, seen):
        for position, clause in enumerate(children):
            if position not in seen and subsumes(clause, parents[index]):
                seen.add(position)
                if position not in owner or place(owner[position], seen):
                    owner[position] = index
                    return True
        return False

    return all(place(index, set()) for index in range(len(parents)))


# --- claims ------------------------------------------------------------------------------------------------------------


def number(claims, name, step):
    value = claims.get(name)
    require(isinstance(value, Decimal), step)
    return value


def natural(claims, name, step):
    value = number(claims, name, step)
    require(0 <= value < 2**64 and value == value.to_integral_value(), step)
    return int(value)


def entries(claims):
    details = claims["authorization_details"]
    return [item for item in details if isinstance(item, dict) and item.get("type") == ENTRY_TYPE]


def tools_of(claims, step):
    found = entries(claims)
    if not found:
        return {}
    tools = found[0].get("tools")
    require(isinstance(tools, dict), step)
    for constraints in tools.values():
        require(isinstance(constraints, dict), step)
        for constraint in constraints.values():
            check_form(constraint, step)
    return tools


PCHAR = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
REG_NAME = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"
AUTHORITY = rf"(?:(?:{REG_NAME}|:)*@)?(?:{REG_NAME}|\[(?P<literal>[^\]]*)\])(?::[0-9]*)?"
URI = re.compile(
    rf"[A-Za-z][A-Za-z0-9+.-]*:(?://{AUTHORITY}(?:/{PCHAR}*)*|(?!//)(?:{PCHAR}|/)*)"
    rf"(?:\?(?:{PCHAR}|[/?])*)?(?:\#(?:{PCHAR}|[/?])*)?"
)
FUTURE = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+")


def is_uri(text):
    """RFC 3986 appendix A."""
    found = URI.fullmatch(text)
    literal = found and found["literal"]
    if literal is None or FUTURE.fullmatch(literal):
        return bool(found)
    try:
        return ipaddress.IPv6Address(literal) is not None and "%" not in literal
    except ValueError:
        return False


def check_holder(claims, step):
    cnf = claims.get("cnf")
    require(isinstance(cnf, dict) and "jwk" in cnf, step)
    public_key(cnf["jwk"], step)


def check_id(claims, step):
    require(isinstance(claims.get("jti"), str) and claims["jti"], step)


# --- section 7 -----------------------------------------------------------------------------------------------------------


def verify(case):
    chain, now = case["chain"], Decimal(case["now"])
    require(chain, "1")
    require(all(len(token) <= MAX_TOKEN_SIZE for token in chain), "2a")
    require(sum(len(token) for token in chain) + len(chain) - 1 <= MAX_STACK_SIZE, "2b")
    seen = set()
    for token in chain:
        payload = parse_json(from_base64url(split_jws(token, "2c")[1], "2c"), "2c")
        require(isinstance(payload, dict) and isinstance(payload.get("jti"), str), "2c")
        require(payload["jti"] not in seen, "2c")
        seen.add(payload["jti"])

    root = verify_root(chain[0], case, now)
    claims = [root]
    for child in chain[1:]:
        claims.append(verify_link(chain[len(claims) - 1], claims[-1], child, now))

    leaf = claims[-1]
    require(len(chain) == natural(leaf, "del_depth", "5") + 1, "5")
    require(len(entries(leaf)) == 1, "6a")
    tools = tools_of(leaf, "6a")
    require(case["tool"] in tools, "6b")
    args = parse_json(case["args"], "6b")
    require(isinstance(args, dict), "6b")
    constraints = tools[case["tool"]]
    if constraints:
        require(args.keys() == constraints.keys(), "6b")
        require(all(satisfies(args[name], constraints[name]) for name in args), "6b")
    if case.get("pop") is not None:
        verify_pop(case, leaf, args, now)


def verify_root(token, case, now):
    check_header(token, "3a")
    require(any(signature_holds(token, jwk, "3a") for jwk in case["anchors"]), "3b")
    root = parse_json(from_base64url(split_jws(token, "3b")[1], "3b"), "3b")
    require(natural(root, "del_depth", "3c") == 0, "3c")
    require("par_hash" not in root, "3d")
    exp, iat = number(root, "exp", "3e"), number(root, "iat", "3f")
    require(exp > now, "3e")
    require(iat <= now + MAX_IAT_SKEW, "3f")
    require(exp > iat, "3g")
    require(exp <= iat + Decimal(case["lifetime_max"]), "3h")
    require(natural(root, "del_max_depth", "3i") <= MAX_DELEGATION_DEPTH, "3i")
    check_id(root, "3j")
    require(isinstance(root.get("iss"), str) and is_uri(root["iss"]), "3k")
    check_holder(root, "3l")
    require(isinstance(root.get("authorization_details"), list), "3m")
    require(len(entries(root)) == 1, "3m")
    tools_of(root, "3n")
    return root


def verify_link(parent_token, parent, token, now):
    check_header(token, "4a")
    require(signature_holds(token, parent["cnf"]["jwk"], "4b"), "4b")
    child = parse_json(from_base64url(split_jws(token, "4b")[1], "4b"), "4b")
    check_id(child, "4b1")
    check_holder(child, "4b2")
    require(isinstance(child.get("authorization_details"), list), "4b3")
    depth = natural(child, "del_depth", "4b4")
    max_depth = natural(child, "del_max_depth", "4b4")
    require(all(name in child for name in ("iss", "iat", "exp", "par_hash")), "4b5")
    exp, iat = number(child, "exp", "4b5"), number(child, "iat", "4b5")
    require(child["iss"] == thumbprint_uri(parent["cnf"]["jwk"]), "4c")
    require(depth == natural(parent, "del_depth", "4d") + 1, "4d")
    parent_max = natural(parent, "del_max_depth", "4e")
    require(depth <= parent_max, "4e")
    require(depth <= MAX_DELEGATION_DEPTH, "4f")
    require(max_depth <= parent_max, "4g")
    require(exp <= number(parent, "exp", "4h"), "4h")
    require(exp > now, "4i")
    require(iat >= number(parent, "iat", "4j"), "4j")
    require(iat <= now + MAX_IAT_SKEW, "4k")
    require(exp > iat, "4l")
    require(depth <= max_depth, "4m")
    require(len(entries(child)) <= 1, "4n")
    narrower(tools_of(child, "4o"), tools_of(parent, "4o"))
    digest = to_base64url(hashlib.sha256(signing_input(parent_token)).digest())
    require(child["par_hash"] == digest, "4q")
    return child


def narrower(child, parent):
    require(child.keys() <= parent.keys(), "4p1")
    for tool, constraints in child.items():
        wider = parent[tool]
        if not wider:
            continue
        require(constraints.keys() == wider.keys(), "4p2")
        require(all(subsumes(constraints[name], wider[name]) for name in wider), "4p4")


def verify_pop(case, leaf, args, now):
    token = case["pop"]
    check_header(token, "7a")
    require(signature_holds(token, leaf["cnf"]["jwk"], "7b"), "7b")
    pop = parse_json(from_base64url(split_jws(token, "7b")[1], "7b"), "7b")
    require(isinstance(pop.get("jti"), str) and pop["jti"], "7b")
    require(pop.get("aat_id") == leaf["jti"], "7c")
    if case.get("audience") is not None:
        require(pop.get("aat_aud") == case["audience"], "7d")
    require(pop.get("aat_tool") == case["tool"], "7e")
    require(isinstance(pop.get("hta"), dict) and jcs(pop["hta"]) == jcs(args), "7f")
    require(abs(number(pop, "iat", "7g") - now) <= POP_TOLERANCE, "7g")


def main():
    for line in sys.stdin:
        case = json.loads(line)
        try:
            verify(case)
            answer = {"id": case["id"], "verdict": "permit", "step": None}
        except Deny as deny:
            answer = {"id": case["id"], "verdict": "deny", "step": str(deny)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
