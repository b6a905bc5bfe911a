# SPDX-License-Identifier: LGPL-2.1-or-later
# interface.py DOCUMENT INTERFACE: compares what "busctl introspect" says on standard input with the section of the
# document that is about this interface: members, types, and which properties are constant or announced.
import re
import sys


def types(arguments):
    """The types of "s id, a(sh) inputs"."""
    return "".join(part.split()[0] for part in arguments.split(", ") if part)


def documented(text, interface):
    section = next(part for part in re.split(r"\n## ", text) if part.split("\n")[0].endswith("– " + interface))
    for row in section.split("\n"):
        if m := re.match(r"\| `(\w+)\((.*?)\)(?: → \((.*)\))?` \|", row):
            # busctl shows a signal's arguments like a method's.
            yield m[1], "call", types(m[2]), types(m[3] or "")
        elif m := re.match(r"\| `(\w+)` (\S+) \| (\w*) ?\|", row):
            yield m[1], "property", m[2], m[3]


def found(lines, interface):
    inside = False
    for line in lines:
        name, kind, *rest = line.split(None, 4)
        if kind == "interface":
            inside = name == interface
        elif inside and kind in ("method", "signal"):
            yield name[1:], "call", rest[0].replace("-", ""), rest[1].replace("-", "") if kind == "method" else ""
        elif inside and kind == "property":
            flags = line.split()[-2:]
            yield name[1:], "property", rest[0], ("constant" if "const" in flags else
                                                 "announced" if "emits-change" in flags else "")


one = set(documented(open(sys.argv[1]).read(), sys.argv[2]))
other = set(found(sys.stdin, sys.argv[2]))
for member in sorted(one - other):
    print("only in the document:", *member)
for member in sorted(other - one):
    print("only on the bus:", *member)
sys.exit(one != other or not one)
