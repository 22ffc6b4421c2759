"""Holds every entry of a log against the published schema, with an implementation of JSON Schema that is not ours.

Usage: check_entries.py SCHEMA < ENTRIES (one JSON value a line). Prints `N entries` and exits 0, or the first that is
not of the schema and exits 1.
"""

import json
import sys

import jsonschema


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        validator = jsonschema.Draft202012Validator(json.load(file))
    count = 0
    for line in sys.stdin:
        problem = next(validator.iter_errors(json.loads(line)), None)
        if problem is not None:
            sys.exit(f"{line.strip()}: {problem.message}")
        count += 1
    print(f"{count} entries")


if __name__ == "__main__":
    main()
