"""A second implementation of the constraint types, for comparison only.

Written from docs/spec/constraints.md and, for the nine core types, from the AAT draft's sections 3.4 and 4.5 alone, with
nothing but regular expressions and integers: Python's own readers of addresses, dates and IP networks are more lenient
than that page.

Reads one JSON object a line: {"constraint", "value"} asks for the check, {"child", "parent"} for subsumption,
{"constraint"} alone whether it is one. Answers one line each: `true`, `false`, or `refused` for what is no constraint.
"""

import json
import re
import sys
from decimal import Decimal

PAGE = sys.argv[1]
DEPTH_MAX, ITEMS_MAX = 32, 1024


class Refused(Exception):
    """It is no constraint."""


def need(condition):
    if not condition:
        raise Refused()


def equal(a, b):
    """One typed equality: nothing is equal across types."""
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    if type(a) is not type(b):
        return False
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    return a == b


def among(item, items):
    return any(equal(item, other) for other in items)


def each_among(items, others):
    return all(among(item, others) for item in items)


def text(json_value):
    need(isinstance(json_value, str))
    return json_value


def members(obj, required, optional):
    need(isinstance(obj, dict))
    names = set(obj) - {"constraint_type"}
    need(set(required) <= names <= set(required) | set(optional))


def text_set(value, may_be_empty=False):
    need(isinstance(value, list) and len(value) <= ITEMS_MAX and (value or may_be_empty))
    return {text(item) for item in value}


# The tables stand on the page itself.
with open(PAGE, encoding="utf-8") as page:
    words = page.read()
STRUCTURES = dict(re.findall(r"\b([A-Z]{2}) ((?:[0-9]+[nac])+)\b", words))
DECIMALS = {
    code: int(decimals)
    for decimals, codes in re.findall(r"^([0234]):((?:\s+[A-Z]{3})+)$", words, re.M)
    for code in codes.split()
}
assert len(STRUCTURES) == 89 and len(DECIMALS) == 165, (len(STRUCTURES), len(DECIMALS))

# --- killick_url -----------------------------------------------------------------------------------------------------

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
UNRESERVED = r"[A-Za-z0-9._~-]"
PLAIN = r"[A-Za-z0-9._~!$&'()*+,=:@-]"
ENCODED = "(?:" + "|".join(
    "%%%02X" % octet
    for octet in range(0x20, 0x7F)
    if not re.fullmatch(UNRESERVED, chr(octet)) and chr(octet) not in "/\\%;?#"
) + ")"
CHARACTER = rf"(?:{PLAIN}|{ENCODED})"
# Segments that are neither empty nor dots, and a slash at the end or not.
PATH = rf"(?:/(?!\.{{1,2}}(?:[/?]|\Z)){CHARACTER}+)*/?"
QUERY = rf"(?:{PLAIN}|[;/?]|%[0-9A-F]{{2}})*"
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST = rf"(?:{LABEL}\.)*[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
ADDRESS = re.compile(rf"(https?|wss?)://({HOST})(?::([1-9][0-9]{{0,4}}))?({PATH})(\?{QUERY})?\Z")


def is_host(name):
    return re.fullmatch(HOST, name) is not None and len(name) <= 253


def is_url_path(path):
    return path.startswith("/") and re.fullmatch(PATH, path) is not None


def read_url(c):
    members(c, ["schemes"], ["host", "host_suffix", "port", "path_prefix"])
    schemes = text_set(c["schemes"])
    need(schemes <= set(PORTS))
    need(("host" in c) != ("host_suffix" in c))
    host = text(c.get("host", c.get("host_suffix")))
    need(is_host(host))
    port = c.get("port")
    if "port" in c:
        need(isinstance(port, Decimal) and port == port.to_integral_value() and 1 <= port <= 65535)
    prefix = text(c.get("path_prefix", "/"))
    need(is_url_path(prefix) and len(prefix.encode()) <= 2048)
    permitted = {scheme: int(port) if port is not None else PORTS[scheme] for scheme in schemes}
    return permitted, "host" in c, host, prefix


def beneath(host, suffix):
    if not host.endswith("." + suffix):
        return False
    return all(label[2:4] != "--" for label in host[: -len(suffix) - 1].split("."))


def path_within(path, prefix):
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")


def check_url(c, value):
    permitted, exactly, host, prefix = c
    if not isinstance(value, str) or len(value.encode("utf-8", "surrogatepass")) > 2048:
        return False
    match = ADDRESS.match(value)
    if match is None:
        return False
    scheme, name, port, path, query = match.groups()
    if not is_host(name) or (not path and query is not None) or (port and int(port) > 65535):
        return False
    return (
        permitted.get(scheme) == (int(port) if port else PORTS[scheme])
        and (name == host if exactly else beneath(name, host))
        and path_within(path or "/", prefix)
    )


def within_url(child, parent):
    permitted, exactly, host, prefix = child
    wider, wider_exactly, wider_host, wider_prefix = parent
    if wider_exactly:
        hosts = exactly and host == wider_host
    else:
        hosts = beneath(host, wider_host) or (not exactly and host == wider_host)
    ports = all(wider.get(scheme) == port for scheme, port in permitted.items())
    return hosts and ports and path_within(prefix, wider_prefix)


# --- killick_path ----------------------------------------------------------------------------------------------------

FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\\\\%\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\u2024-\u2026\u2100\u2101\u2105\u2106\u2488-\u249b\u33c2\u33c7\u33d8\ufe19\ufe30\ufe52\ufe68\ufe6a"
    "\uff05\uff0e\uff0f\uff3c\U0001f100\u00a5\u20a9\u2044\u2215\u2216]"
)


def is_path(path):
    if path == "/":
        return True
    segments = path.split("/")
    return (
        len(path.encode("utf-8")) <= 4096
        and len(segments) > 1
        and segments[0] == ""
        and all(set(segment) - {".", " "} for segment in segments[1:])
        and not FORBIDDEN.search(path)
    )


def read_path(c):
    members(c, ["root"], [])
    need(is_path(text(c["root"])))
    return c["root"]


def under(root, path):
    return root == "/" or path == root or path.startswith(root + "/")


# --- killick_pattern -------------------------------------------------------------------------------------------------

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def read_pattern(c):
    members(c, ["pattern"], [])
    pattern = text(c["pattern"])
    need(1 <= len(pattern) <= 127 and not CONTROL.search(pattern) and "\\" not in pattern)
    need("**" not in pattern and "*?" not in pattern)
    return pattern


def matches(pattern, symbols, any_fits, one_fits):
    """Dynamic programming over prefixes; the two predicates say which symbols a wildcard takes."""
    row = [True] + [False] * len(pattern)
    for index, letter in enumerate(pattern):
        row[index + 1] = row[index] and letter == "*"
    for symbol in symbols:
        new = [False] * len(row)
        for index, letter in enumerate(pattern):
            if letter == "*":
                new[index + 1] = new[index] or (row[index + 1] and any_fits(symbol))
            elif letter == "?":
                new[index + 1] = row[index] and one_fits(symbol)
            else:
                new[index + 1] = row[index] and symbol == letter
        row = new
    return row[-1]


def check_pattern(pattern, value):
    if not isinstance(value, str) or len(value.encode("utf-8")) > 4096:
        return False
    fits = lambda symbol: symbol != "/" and not CONTROL.match(symbol)
    return matches(pattern, value, fits, fits)


def within_pattern(child, parent):
    return matches(parent, child, lambda s: s != "/", lambda s: s not in "/*")


# --- killick_iban ----------------------------------------------------------------------------------------------------


def is_iban(value):
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]+", value, re.A):
        return False
    structure = STRUCTURES.get(value[:2])
    if structure is None or not 2 <= int(value[2:4]) <= 98:
        return False
    kinds = {"n": "[0-9]", "a": "[A-Z]", "c": "[0-9A-Z]"}
    expression = re.sub(r"([0-9]+)([nac])", lambda m: kinds[m[2]] + "{" + m[1] + "}", structure)
    if not re.fullmatch(expression, value[4:], re.A):
        return False
    number = "".join(str(int(letter, 36)) for letter in value[4:] + value[:4])
    return int(number) % 97 == 1


def read_iban(c):
    members(c, [], ["countries", "ibans"])
    need(not ("countries" in c and "ibans" in c))
    if "countries" in c:
        countries = text_set(c["countries"])
        need(countries <= set(STRUCTURES))
        return "countries", countries
    if "ibans" in c:
        ibans = text_set(c["ibans"])
        need(all(map(is_iban, ibans)))
        return "ibans", ibans
    return None, set()


def check_iban(c, value):
    kind, items = c
    if not isinstance(value, str) or not is_iban(value):
        return False
    return kind is None or (value[:2] if kind == "countries" else value) in items


def within_iban(child, parent):
    if parent[0] is None:
        return True
    if child[0] == "ibans":
        return all(check_iban(parent, iban) for iban in child[1])
    return child[0] == parent[0] == "countries" and child[1] <= parent[1]


# --- killick_currency_amount -----------------------------------------------------------------------------------------


def amount_of(code, value):
    """The amount as an exact number, or None."""
    match = re.fullmatch(r"(0|[1-9][0-9]{0,17})(?:\.([0-9]+))?", value, re.A)
    if match is None or len(match[2] or "") > DECIMALS[code]:
        return None
    return int(match[1]) * 10**4 + int((match[2] or "").ljust(4, "0"))


def read_money(c):
    members(c, ["limits"], ["amount_member", "currency_member"])
    names = text(c.get("amount_member", "amount")), text(c.get("currency_member", "currency"))
    need(names[0] != names[1])
    need(isinstance(c["limits"], dict) and c["limits"])
    limits = {}
    for code, bounds in c["limits"].items():
        need(code in DECIMALS and isinstance(bounds, dict) and set(bounds) <= {"min", "max"})
        low = high = None
        if "min" in bounds:
            low = amount_of(code, text(bounds["min"]))
            need(low is not None)
        if "max" in bounds:
            high = amount_of(code, text(bounds["max"]))
            need(high is not None)
        need(low is None or high is None or low <= high)
        limits[code] = low, high
    return limits, names


def check_money(c, value):
    limits, (amount_name, currency_name) = c
    if isinstance(value, str):
        code, blank, amount = value.partition(" ")
        if not blank:
            return False
    elif isinstance(value, dict) and value.keys() == {amount_name, currency_name}:
        code, amount = value[currency_name], value[amount_name]
    else:
        return False
    if not isinstance(code, str) or not isinstance(amount, str) or code not in limits:
        return False
    exact, (low, high) = amount_of(code, amount), limits[code]
    return exact is not None and (low is None or exact >= low) and (high is None or exact <= high)


def within_money(child, parent):
    if child[1] != parent[1]:
        return False
    for code, (low, high) in child[0].items():
        if code not in parent[0]:
            return False
        wider_low, wider_high = parent[0][code]
        if wider_low is not None and (low is None or low < wider_low):
            return False
        if wider_high is not None and (high is None or high > wider_high):
            return False
    return True


# --- killick_time_window ---------------------------------------------------------------------------------------------

INSTANT = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.A
)
DAY = 86_400 * 10**9


def day_number(year, month, day):
    """Days of the proleptic Gregorian calendar, by the count of days from a March of the year 0."""
    year, month = (year - 1, month + 9) if month < 3 else (year, month - 3)
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day - 1


FIRST, LAST = day_number(1, 1, 1) * DAY, day_number(10000, 1, 1) * DAY


def instant_of(value):
    """Nanoseconds, or None."""
    match = INSTANT.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    if not 1 <= month <= 12 or not 1 <= day <= days[month - 1] or hour > 23 or minute > 59 or second > 59:
        return None
    ahead = 0
    if match[8]:
        if int(match[9]) > 23 or int(match[10]) > 59 or value.endswith("-00:00"):
            return None
        ahead = (int(match[9]) * 60 + int(match[10])) * (-60 if match[8] == "-" else 60)
    nanos = day_number(year, month, day) * DAY + (hour * 3600 + minute * 60 + second - ahead) * 10**9
    nanos += int((match[7] or "0").ljust(9, "0"))
    return nanos if FIRST <= nanos < LAST else None


def minute_of(value):
    match = re.fullmatch(r"([0-9]{2}):([0-5][0-9])", text(value), re.A)
    need(match is not None)
    minute = int(match[1]) * 60 + int(match[2])
    need(minute <= 1440)
    return minute


def read_window(c):
    members(c, [], ["not_before", "not_after", "daily"])
    ends = []
    for name in ("not_before", "not_after"):
        ends.append(instant_of(text(c[name])) if name in c else None)
        need(name not in c or ends[-1] is not None)
    need(None in ends or ends[0] <= ends[1])
    daily = None
    if "daily" in c:
        need(isinstance(c["daily"], dict) and set(c["daily"]) == {"from", "to"})
        daily = minute_of(c["daily"]["from"]), minute_of(c["daily"]["to"])
        need(daily[0] < daily[1])
        daily = None if daily == (0, 1440) else daily
    return ends[0], ends[1], daily


def check_window(c, value):
    begin, end, daily = c
    instant = instant_of(value) if isinstance(value, str) else None
    if instant is None or (begin is not None and instant < begin) or (end is not None and instant > end):
        return False
    return daily is None or daily[0] * 60 * 10**9 <= instant % DAY < daily[1] * 60 * 10**9


def within_window(child, parent):
    if parent[0] is not None and (child[0] is None or child[0] < parent[0]):
        return False
    if parent[1] is not None and (child[1] is None or child[1] > parent[1]):
        return False
    if parent[2] is None:
        return True
    return child[2] is not None and parent[2][0] <= child[2][0] and child[2][1] <= parent[2][1]


# --- killick_fields --------------------------------------------------------------------------------------------------


def read_fields(c):
    members(c, ["allowed"], ["required"])
    allowed = text_set(c["allowed"], may_be_empty=True)
    required = text_set(c.get("required", []), may_be_empty=True)
    need(required <= allowed)
    return allowed, required


def check_fields(c, value):
    return isinstance(value, dict) and c[1] <= set(value) <= c[0]


# --- killick_cidr ----------------------------------------------------------------------------------------------------


def ipv4_of(value):
    parts = value.split(".")
    if len(parts) != 4 or not all(re.fullmatch("0|[1-9][0-9]{0,2}", part, re.A) and int(part) < 256 for part in parts):
        return None
    a, b, c, d = map(int, parts)
    return a << 24 | b << 16 | c << 8 | d


def ipv6_text(number):
    """The text that RFC 5952 recommends."""
    if number >> 32 == 0xFFFF:
        return "::ffff:" + ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    groups = [number >> shift & 0xFFFF for shift in range(112, -1, -16)]
    best_at, best = 0, 0
    for start in range(8):
        length = 0
        while start + length < 8 and groups[start + length] == 0:
            length += 1
        if length > best:
            best_at, best = start, length
    write = lambda some: ":".join("%x" % group for group in some)
    if best < 2:
        return write(groups)
    return write(groups[:best_at]) + "::" + write(groups[best_at + best :])


def groups_of(part):
    """The groups between colons; None for what is no group."""
    groups = part.split(":") if part else []
    return [int(group, 16) if re.fullmatch("[0-9a-f]{1,4}", group) else None for group in groups]


def ipv6_of(value):
    body, tail = value, []
    if "." in value:
        body, _, last = value.rpartition(":")
        v4 = ipv4_of(last)
        if v4 is None:
            return None
        tail = [v4 >> 16, v4 & 0xFFFF]
        body += ":" if body.endswith(":") else ""
    if not re.fullmatch("[0-9a-f:]*", body):
        return None
    head, double, rest = body.partition("::")
    front, back = groups_of(head), groups_of(rest) + tail
    groups = front + [0] * (8 - len(front) - len(back)) + back if double else front + back
    if None in groups or len(groups) != 8:
        return None
    number = 0
    for group in groups:
        number = number << 16 | group
    return number if ipv6_text(number) == value else None


def network_of(value, needs_length=False):
    """(bits, first, length), or None."""
    address, slash, length = value.partition("/")
    if needs_length and not slash:
        return None
    bits = 128 if ":" in address else 32
    number = ipv6_of(address) if bits == 128 else ipv4_of(address)
    if number is None or (slash and not re.fullmatch("0|[1-9][0-9]{0,2}", length, re.A)):
        return None
    length = int(length) if slash else bits
    if length > bits or number & ((1 << (bits - length)) - 1):
        return None
    return bits, number, length


def lies_within(inner, outer):
    bits, number, length = inner
    shift = bits - outer[2]
    return bits == outer[0] and length >= outer[2] and number >> shift == outer[1] >> shift


MAPPED = (128, 0xFFFF << 32, 96)


def read_cidr(c):
    members(c, ["networks"], [])
    networks = [network_of(item, needs_length=True) for item in text_set(c["networks"])]
    need(None not in networks and not any(lies_within(network, MAPPED) for network in networks))
    return networks


def check_cidr(networks, value):
    network = network_of(value) if isinstance(value, str) else None
    if network is None:
        return False
    if lies_within(network, MAPPED):
        network = 32, network[1] & 0xFFFFFFFF, network[2] - 96
    elif lies_within(MAPPED, network):
        return False
    return any(lies_within(network, outer) for outer in networks)


# --- all types -------------------------------------------------------------------------------------------------------

# For each type: reading, check, C within P.
TYPES = {
    "killick_url": (read_url, check_url, within_url),
    "killick_path": (
        read_path,
        lambda root, v: isinstance(v, str) and is_path(v) and under(root, v),
        lambda child, parent: under(parent, child),
    ),
    "killick_pattern": (read_pattern, check_pattern, within_pattern),
    "killick_iban": (read_iban, check_iban, within_iban),
    "killick_currency_amount": (read_money, check_money, within_money),
    "killick_time_window": (read_window, check_window, within_window),
    "killick_fields": (read_fields, check_fields, lambda child, parent: child[0] <= parent[0] and parent[1] <= child[1]),
    "killick_cidr": (
        read_cidr,
        check_cidr,
        lambda child, parent: all(any(lies_within(n, outer) for outer in parent) for n in child),
    ),
}
LISTS = {"one_of": "values", "not_one_of": "excluded", "contains": "required", "subset": "allowed"}


def read_range(c):
    """(bound, is it excluded) below and above."""
    ends = []
    for name in ("min", "max"):
        need(name not in c or isinstance(c[name], Decimal))
        inclusive = c.get(name + "_inclusive", True)
        need(isinstance(inclusive, bool))
        ends.append((c[name], not inclusive) if name in c else None)
    return ends


def read(c, depth=1):
    """(type, what its procedures take)."""
    need(depth <= DEPTH_MAX and isinstance(c, dict) and isinstance(c.get("constraint_type"), str))
    kind = c["constraint_type"]
    if kind in TYPES:
        return kind, TYPES[kind][0](c)
    if kind == "exact":
        need("value" in c and not isinstance(c["value"], (list, dict)))
        return kind, c["value"]
    if kind == "range":
        return kind, read_range(c)
    if kind in LISTS:
        items = c.get(LISTS[kind])
        need(isinstance(items, list) and len(items) <= ITEMS_MAX)
        return kind, items
    if kind == "wildcard":
        return kind, None
    need(kind in ("all", "any"))
    clauses = c.get("constraints")
    need(isinstance(clauses, list) and len(clauses) <= ITEMS_MAX and (clauses or kind == "all"))
    return kind, [read(clause, depth + 1) for clause in clauses]


def in_range(ends, value):
    if not isinstance(value, Decimal):
        return False
    low, high = ends
    return (low is None or value > low[0] or (value == low[0] and not low[1])) and (
        high is None or value < high[0] or (value == high[0] and not high[1])
    )


def check(constraint, value):
    kind, c = constraint
    if kind in TYPES:
        return TYPES[kind][1](c, value)
    if kind == "exact":
        return equal(c, value)
    if kind == "range":
        return in_range(c, value)
    if kind == "one_of":
        return among(value, c)
    if kind == "not_one_of":
        return not among(value, c)
    if kind == "contains":
        return isinstance(value, list) and each_among(c, value)
    if kind == "subset":
        return isinstance(value, list) and each_among(value, c)
    if kind == "all":
        return all(check(clause, value) for clause in c)
    return kind == "wildcard" or any(check(clause, value) for clause in c)


def range_within(child, parent):
    for sign, own, wider in ((1, child[0], parent[0]), (-1, child[1], parent[1])):
        if wider is None:
            continue
        if own is None or sign * own[0] < sign * wider[0]:
            return False
        if own[0] == wider[0] and wider[1] and not own[1]:
            return False
    return True


def assigned(fitting, used=frozenset()):
    """Whether each list of candidates can be given one of its own (backtracking, as the draft writes it)."""
    if not fitting:
        return True
    return any(assigned(fitting[1:], used | {one}) for one in fitting[0] if one not in used)


def within(child, parent):
    (kind, c), (wider_kind, p) = child, parent
    if wider_kind == "wildcard":
        return True
    if kind == "exact":
        return (wider_kind in ("exact", "range", "one_of") or wider_kind in TYPES) and check(parent, c)
    if kind == "one_of" and wider_kind in TYPES:
        return all(check(parent, value) for value in c)
    if kind != wider_kind:
        return False
    if kind in TYPES:
        return TYPES[kind][2](c, p)
    if kind == "range":
        return range_within(c, p)
    if kind in ("one_of", "subset"):
        return each_among(c, p)
    if kind in ("not_one_of", "contains"):
        return each_among(p, c)
    if kind == "any":
        return all(any(within(clause, wider) for wider in p) for clause in c)
    fitting = [[i for i, clause in enumerate(c) if within(clause, wider)] for wider in p]
    return assigned(sorted(fitting, key=len))


def answer(case):
    try:
        if "parent" in case:
            return within(read(case["child"]), read(case["parent"]))
        constraint = read(case["constraint"])
        return check(constraint, case["value"]) if "value" in case else True
    except Refused:
        return "refused"


def main():
    for line in sys.stdin:
        case = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        print({True: "true", False: "false"}.get(answer(case), "refused"))


main()
