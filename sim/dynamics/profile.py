"""Share of CPU time of each phase of the step, from a profile of a program built with line tables (see README.md).

    perf record -F 2000 -e cpu-clock -o FILE target/release/keiko bench physics --model ant --assets DIR
    python3 sim/dynamics/profile.py FILE target/release/keiko

Needs perf, nm and addr2line. A phase is a function of its own in vector registers, `with_avx512` or `with_avx2`: which one it
is stands in the outermost source line below `step/` of what was inlined into it.
"""

import collections
import pathlib
import re
import subprocess
import sys

STEP = pathlib.Path(__file__).parent / "src" / "step"


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def phase_at(file, line):
    """The phase in whose `run` a line of `step/` is, or the file where a macro makes several."""
    name = file
    for number, text in enumerate((STEP / f"{file}.rs").read_text().splitlines(), 1):
        found = re.match(r"\s*impl Phase for \$?(\w+)", text)
        if found and number <= line:
            name = file if "$" in text else found[1]
    return name


def main(profile, program):
    samples = collections.Counter()
    fields = ["-F", "ip,sym,symoff", "--no-demangle"]
    for line in said("perf", "script", "-i", profile, *fields).splitlines():
        words = line.split()
        if len(words) == 2:
            samples[words[1]] += 1
    starts = {words[2]: int(words[0], 16) for words in map(str.split, said("nm", program).splitlines()) if len(words) == 3}
    places = {}
    for symbol in samples:
        name, _, offset = symbol.partition("+")
        if offset and "with_avx" in name and name in starts:
            places[symbol] = hex(starts[name] + int(offset, 16))
    answers = re.split(r"(?m)^0x[0-9a-f]+\n", said("addr2line", "-a", "-i", "-e", program, *places.values()))[1:]
    votes = collections.defaultdict(collections.Counter)
    for symbol, answer in zip(places, answers):
        lines = re.findall(r"/step/([a-z_]+)\.rs:(\d+)", answer)
        if lines:
            file, line = lines[-1]
            votes[symbol.partition("+")[0]][phase_at(file, int(line))] += samples[symbol]
    shares = collections.Counter()
    for symbol, count in samples.items():
        name = symbol.partition("+")[0]
        shares[votes[name].most_common(1)[0][0] if name in votes else name] += count
    total = sum(shares.values())
    for name, count in shares.most_common(20):
        print(f"{100 * count / total:5.1f} % {name}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
