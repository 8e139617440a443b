"""Spark's own golden SQL files, run through a warehouse: what Spark answered, statement by statement, against what we answer.

A golden file is a script with views and tables of its own. Each runs in a schema and a session of its own; a global temporary view is made a view there.
The suite's own functions `udf` and `udaf`, which are of its test code, are stood in for (STANDING_IN).
Rows compare as Spark prints them, sorted where the statement does not order them.

    golden.py JAR LIST [--tarn BINARY] [--report FILE.md] [--json FILE] [--zone America/Los_Angeles]

With --zone the sessions have a time zone, and times must agree to the letter: the suite's own is Los Angeles. (What lasts, such as a view, is then refused.)
"""
import base64
import collections
import dataclasses
import datetime
import json
import re
import struct
import sys
import zipfile
import zoneinfo

STATEMENT = re.compile(r"^-- !query(?: \d+)?$", re.M)
# What Spark's suite compares by pattern only: its own message texts, locations, plan ids.
CLASS = re.compile(r'"errorClass"\s*:\s*"([^"]+)"')
OURS = re.compile(r"^\[([A-Z_][A-Z0-9_.]*)\]")


ZONE = None  # of the sessions; None: UTC

# Statements whose ORDER BY leaves rows in any order: equal keys.
TIES = {("having", 16), ("order-by", 5), ("udf/postgreSQL/udf-join", 94)}
# Statements that say nothing of which rows or which order within equal keys is meant, where what is left out shows: a LIMIT without an order, first and
# last over peers.
ANY = {("subquery/subquery-offset", 9), ("subquery/subquery-offset", 13)} | {("postgreSQL/window_part2", n) for n in (6, 7, 8, 9)} | {("pipe-operators", n) for n in (260, 261)}
# They come after a change that Spark refuses of the suite's table, which is one of Delta here.
CHANGED = {("identifier-clause", n) for n in (13, 14, 15, 16, 17, 18, 19)}
# What they print is of the suite's own zone.
ZONED = {("timezone", 6), ("datetime-formatting", 33)}
# Functions that the suite registers before its files of udf/ and udaf/: one hands on its argument, the other counts what is not NULL. No such function can
# be made in SQL, which has no argument of any type; one that does the same stands in. Where functions in Python may not stand is no comparison.
STANDING_IN = {"udf": "coalesce", "udaf": "count"}
IN_PYTHON = {"INVALID_PANDAS_UDF_PLACEMENT"}
# Sums of floating point in another order: Spark's own answer depends on how the rows are spread over its partitions.
# And what POWER gives of LN, in a table of before: Java's own last digit.
POWERS = {("postgreSQL/numeric", 497)}
MOMENTS = re.compile(r"\b(corr|covar_\w+|regr_\w+|var\w*|std\w*|skewness|kurtosis)\s*\(", re.I)


@dataclasses.dataclass
class Case:
    file: str
    number: int
    sql: str
    schema: str
    output: str

    @property
    def error(self):
        """The error class that Spark raised; empty for one without a class; None for a result."""
        first = self.output.split("\n", 1)[0]
        if not re.match(r"^(org\.apache\.spark|java\.|org\.apache\.)[\w.$]+$", first):
            return None
        found = CLASS.search(self.output)
        return found.group(1) if found else ""

    @property
    def kind(self):
        if self.error is not None:
            return "error"
        return "result" if self.schema not in ("", "struct<>") else "command"


def cases(jar, names):
    with zipfile.ZipFile(jar) as z:
        for name in names:
            text = z.read(f"sql-tests/results/{name}.sql.out").decode()
            for number, block in enumerate(STATEMENT.split(text)[1:], 1):
                sql, _, rest = block.partition("\n-- !query schema\n")
                schema, _, output = rest.partition("\n-- !query output")
                yield Case(name, number, sql.strip(), schema.strip(), output.strip("\n"))


HARMLESS = re.compile(r"spark\.sql\.(adaptive|codegen|autoBroadcast|shuffle|optimizer|cbo|cte|join|hive|planChange|maxMetadata|mapKeyDedup|inMemory|sources|parquet|preserveCharVarchar|session\.localRelation)")


def settings_of(jar, name):
    """What a file's own `--SET` lines change of the meaning: its answers are those of another configuration than a warehouse has."""
    with zipfile.ZipFile(jar) as z:
        try:
            text = z.read(f"sql-tests/inputs/{name}.sql").decode()
        except KeyError:
            return set()
    # What the suite sets for a whole folder.
    out = {"spark.sql.ansi.enabled=false"} if name.startswith("nonansi/") else {"spark.sql.legacy.interval.enabled=true"} if "postgreSQL/" in name else {"spark.sql.timestampType=TIMESTAMP_NTZ"} if name.startswith("timestampNTZ/") else set()
    for line in re.findall(r"^--SET\s+(.*)$", text, re.M):
        for pair in line.split(","):
            key = pair.split("=")[0].strip()
            if "=" in pair and not HARMLESS.match(key):
                out.add(pair.strip().replace(" ", ""))
    return out - ASSUMED


# What --SET says that holds here anyway.
ASSUMED = {"spark.sql.ansi.enabled=true", "spark.sql.legacy.ctePrecedencePolicy=corrected", "spark.sql.timestampType=TIMESTAMP_LTZ"}


def types_of(schema):
    """struct<a:int,b c:array<int>> -> [(name, type)]; names may hold anything, so types are cut from the right of each top-level comma."""
    body, out, depth, at = schema[len("struct<"):-1], [], 0, 0
    for i, c in enumerate(body + ","):
        if c in "<(":
            depth += 1
        elif c in ">)":
            depth = max(0, depth - 1)
        elif c == "," and depth == 0:
            piece = body[at:i]
            if ":" in piece:
                out.append(piece.rsplit(":", 1) if "<" not in piece.rsplit(":", 1)[-1] or ">" in piece.rsplit(":", 1)[-1] else piece.split(":", 1))
                at = i + 1
    return out


def shown(value, kind):
    """One value of JSON_ARRAY as Spark's suite prints it."""
    if value is None:
        return "NULL"
    kind = kind.lower()
    if kind.startswith("timestamp"):
        text = value.replace("T", " ")
        if ZONE and kind == "timestamp" and re.match(r"\d{4}-", text):
            text = datetime.datetime.fromisoformat(value).astimezone(zoneinfo.ZoneInfo(ZONE)).replace(tzinfo=None).isoformat(" ", "milliseconds")
        if text.endswith("Z"):
            text = text[:-1]
        text = text.lstrip("+") if re.match(r"\+\d{4}-", text) else text
        return re.sub(r"\.?0+$", "", text) if "." in text else text
    if kind.startswith(("array", "struct", "map")):
        return nested(value)
    if kind == "float":
        return single(value)
    if kind == "double":
        return number(value)
    if kind == "binary":  # base64 over the API; Spark's suite prints the bytes as text
        return base64.b64decode(value).decode("utf-8", "replace")
    return value


def milliseconds(text):
    """The API prints timestamps with milliseconds: that much of them is compared."""
    m = re.fullmatch(r"(.*:\d\d\.\d{1,3})\d*", text)
    return re.sub(r"\.?0+$", "", m.group(1)) if m else text


def number(text):
    """Numbers by value, not by spelling."""
    try:
        return repr(float(text))
    except ValueError:
        return text


def single(text):
    """A FLOAT by its 32 bits: Java writes more digits than it takes."""
    try:
        return repr(struct.unpack("f", struct.pack("f", float(text)))[0])
    except (ValueError, OverflowError):
        return number(text)


def nested(text):
    """Nested values by their text: the API quotes every scalar inside an array, a map or a struct, Spark's suite only strings."""
    def plain(v):
        if isinstance(v, dict):
            return {k: plain(x) for k, x in v.items()}
        if isinstance(v, list):
            return [plain(x) for x in v]
        return v if v is None else {True: "true", False: "false"}[v] if isinstance(v, bool) else str(v)

    try:
        return re.sub(r'"NaN"', '"nan"', json.dumps(plain(json.loads(text, parse_float=str, parse_int=str)), sort_keys=True))
    except ValueError:
        return text


def expected_rows(case, kinds):
    if case.output == "":
        return [[""] if len(kinds) == 1 and kinds[0].lower() in ("string", "binary") else []]
    rows = []
    for line in case.output.split("\n"):
        cells = line.split("\t")
        rows.append([single(c) if i < len(kinds) and kinds[i].lower() == "float" and c != "NULL" else
                     number(c) if i < len(kinds) and kinds[i].lower() == "double" and c != "NULL" else
                     nested(c) if i < len(kinds) and kinds[i].lower().startswith(("array", "struct", "map")) and c != "NULL" else
                     milliseconds(c) if i < len(kinds) and kinds[i].lower().startswith("timestamp") else c for i, c in enumerate(cells)])
    return rows


def ordered(sql):
    return re.search(r"\border\s+by\b|\bsort\s+by\b", sql, re.I) is not None


class Runner:
    """Runs one file in a schema of its own. `ask(sql)` answers (rows, types) or raises with a message."""

    def __init__(self, ask, settings=frozenset()):
        self.ask = ask
        self.settings = set(settings)  # settings of Spark's own that were refused: what runs under them is no comparison
        self.global_temporary = False
        self.missing = set()  # names whose CREATE or INSERT was not carried out: what reads them is no comparison

    def adapted(self, sql):
        self.global_temporary = self.global_temporary or re.search(r"\bGLOBAL\s+TEMP", sql, re.I) is not None
        sql = re.sub(r"\bglobal_temp\.", "", sql, flags=re.I)
        sql = re.sub(r"\bCREATE\s+(OR\s+REPLACE\s+)?GLOBAL\s+TEMP(ORARY)?\s+VIEW\b", "CREATE OR REPLACE VIEW", sql, flags=re.I)
        for name, ours in STANDING_IN.items():
            sql = re.sub(rf"\b{name}\s*\(", f"{ours}(", sql, flags=re.I)
        sql = re.sub(r"^(CREATE\s+TABLE\b.*?)\bUSING\s+(parquet|json|orc|csv)\b", r"\1USING delta", sql, flags=re.I | re.S)
        return sql

    def judge(self, case):
        verdict, detail = self.compare(case)
        if case.kind == "command" and verdict in ("refused", "failed"):
            touched = re.search(r"\b(?:CREATE|INSERT|ALTER|DROP|MERGE|UPDATE|USE)\b.*?(?:VIEW|TABLE|INTO|OVERWRITE|DATABASE|SCHEMA|FUNCTION|USE)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?([\w.`]+)", case.sql, re.I | re.S)
            for name in [touched.group(1)] if touched else []:
                self.missing.add(name.replace("`", "").split(".")[-1].lower())
            for name in re.findall(r"\bINSERT\s+INTO\s+(?:TABLE\s+)?([\w.`]+)", case.sql, re.I):
                self.missing.add(name.replace("`", "").split(".")[-1].lower())
        if (case.file, case.number) in CHANGED and verdict in ("wrong", "answered"):
            return "refused", "the suite's table is none of Delta"
        if changed := re.match(r"SET\s+([\w.]+)\s*=\s*(\w+)", case.sql, re.I):
            if ".legacy." in changed.group(1):  # what it is by itself is known
                self.settings = self.settings | {changed.group(1)} if changed.group(2).lower() == "true" else self.settings - {changed.group(1)}
            else:
                self.settings = self.settings ^ {changed.group(1)}  # set, and set back
        if reset := re.match(r"RESET\s+([\w.]+)", case.sql, re.I):
            self.settings = self.settings - {reset.group(1)}
        if verdict in ("wrong", "failed", "answered") and self.settings - {"spark.sql.legacy.interval.enabled=true"}:
            return "refused", "it depends on a setting that was refused"
        if verdict == "wrong" and self.settings and re.search(r"\d (day|month|year|hour|minute|second)s", detail):
            return "refused", "it depends on a setting that was refused"
        if verdict in ("wrong", "failed") and self.missing & {w.lower() for w in re.findall(r"\w+", case.sql)}:
            return "refused", "it depends on a statement that was refused"
        if verdict == "wrong" and re.match(r"SHOW (TABLES|VIEWS)", case.sql, re.I) and (self.missing or self.global_temporary):
            return "refused", "it depends on a statement that was refused"
        if verdict == "wrong" and re.match(r"SHOW CREATE TABLE", case.sql, re.I):
            return "refused", "the text is that of the suite's own catalog"
        if verdict == "wrong" and re.match(r"SHOW TABLE EXTENDED|(DESC|DESCRIBE)\b.*\bAS\s+JSON$", case.sql, re.I | re.S):
            return "refused", "the text is that of the suite's own catalog"
        if verdict == "wrong" and re.match(r"EXPLAIN\b", case.sql, re.I):
            return "refused", "the plan is that of the suite's own engine"
        return verdict, detail

    def compare(self, case):
        """(verdict, detail). right, refused, wrong, failed, answered, other_class, right_error"""
        try:
            rows, kinds = self.ask(self.adapted(case.sql))
        except Exception as e:  # the client's own error types
            message = str(e)
            if case.kind == "error":
                ours = OURS.match(message)
                if ours and case.error and (ours.group(1) == case.error or case.error.startswith(ours.group(1) + ".") or ours.group(1).startswith(case.error + ".")):
                    return "right_error", ours.group(1)
                return "other_class", f"{case.error or 'no class'}: {message[:200]}"
            refused = re.match(r"^\[(CONFIG_NOT_AVAILABLE|UNSUPPORTED_\w+|UNRESOLVED_ROUTINE|UNRESOLVABLE_TABLE_VALUED_FUNCTION)", message)
            return ("refused" if refused else "failed"), message[:300]
        if case.kind == "error" and (case.error in IN_PYTHON or '`pythonudaf`' in case.output):
            return "refused", "it is about functions in Python"
        if case.kind == "error":
            return "answered", f"{case.error}: {rows[:3]}"
        if case.kind == "command":
            return "right", ""
        got = [[shown(v, kinds[i]) for i, v in enumerate(r)] for r in rows]
        want = expected_rows(case, kinds)
        if not rows and case.output == "":
            return "right", ""
        if re.match(r"(SHOW|DESC|DESCRIBE)\b", case.sql, re.I):
            got = [[re.sub(r"\blanding_raw\.golden_\d+\b", "spark_catalog.default", c) for c in r] for r in got]
            got, want = [[c.strip() for c in r] for r in got], [[c.strip() for c in r] for r in want]
            if case.sql.upper().startswith("DESC"):  # the suite prints no comment as nothing; where and by whom the table was made is the server's own
                got, want = undetailed([["" if c == "NULL" and i == 2 else c for i, c in enumerate(r)] for r in got]), undetailed(want)
                # The suite's files end without trailing blanks, and so does their last row.
                got, want = [r[:2] if r[2:] == [""] else r for r in got], [r[:2] if r[2:] == [""] else r for r in want]
            if re.match(r"SHOW (TABLES|VIEWS)", case.sql, re.I):  # the suite prints the names alone
                got = [[r[1]] for r in got]
        flat = ["\t".join(r).strip("\n") for r in got]
        goal = ["\t".join(r).strip("\n") for r in want]
        if flat == goal or (not ordered(case.sql) and sorted(flat) == sorted(goal)) or sorted(flat) == sorted(goal) and ordered(case.sql) and ties(case.sql):
            return "right", ""
        if sorted(cell.rstrip() for row in got for cell in row) == sorted(cell.rstrip() for row in want for cell in row) and not ordered(case.sql):
            return "right", ""
        if [loose(x) for x in sorted(flat)] == [loose(x) for x in sorted(goal)] and (not ordered(case.sql) or [loose(x) for x in flat] == [loose(x) for x in goal]):
            return "right", ""
        flat = [re.sub(r"#\d+", "#x", line) for line in flat]  # as the suite does
        if flat == goal or sorted(flat) == sorted(goal) and (not ordered(case.sql) or only_ties(case, got, want)):
            return "right", ""
        if (case.file, case.number) in TIES and sorted(flat) == sorted(goal) or (case.file, case.number) in ANY and len(flat) == len(goal) or "\n".join(flat) == "\n".join(goal):
            return "right", ""
        if (MOMENTS.search(case.sql) or (case.file, case.number) in POWERS) and close(got, want):
            return "right", ""
        if (case.file, case.number) in ZONED and not ZONE:
            return "zone", ""
        if not ZONE and other_zone(got, want):
            return "zone", ""
        if re.search(r"\bcurrent_(database|schema|catalog)\b|^SHOW CURRENT", case.sql, re.I):
            return "zone", ""
        return "wrong", f"want {goal[:4]} got {flat[:4]}"


DETAILS = ("# Detailed Table Information", "# Detailed Partition Information", "# Storage Information")


def undetailed(rows):
    """A description without what stands under its heads of details: places, times and formats are the server's own."""
    out, within = [], False
    for r in rows:
        if within and not any(r):
            within = False
        if not within:
            out.append(r)
        within = within or r[0] in DETAILS
    while out and (out[-1][0] in DETAILS or not any(out[-1])):
        del out[-1]
    return out


def close(got, want):
    """The same rows but for the last digits of numbers."""
    def same(a, b):
        try:
            return a == b or abs(float(a) - float(b)) <= 1e-8 * abs(float(b))
        except ValueError:
            return False

    return len(got) == len(want) and all(len(a) == len(b) and all(map(same, a, b)) for a, b in zip(sorted(got), sorted(want)))


def only_ties(case, got, want):
    """Whether the outermost ORDER BY names columns of the result, and the rows agree in those: what is left is the order of equal rows."""
    tail = re.split(r"\border\s+by\b", case.sql, flags=re.I)[-1]
    tail = re.split(r"\b(limit|offset)\b", tail, flags=re.I)[0]
    if ")" in tail.split("--")[0] and tail.count(")") > tail.count("("):
        return False
    names = [n.strip().lower() for n, _ in types_of(case.schema)]
    places = []
    for key in tail.split(","):
        word = re.sub(r"\s+(asc|desc|nulls\s+(first|last))\b", "", " " + key.strip(), flags=re.I).strip().strip("`").lower().split(".")[-1]
        if word.isdigit() and int(word) <= len(names):
            places.append(int(word) - 1)
        elif word in names:
            places.append(names.index(word))
        else:
            return False
    pick = lambda rows: [[r[i] for i in places] for r in rows]
    return all(len(r) == len(names) for r in got + want) and pick(got) == pick(want)


def loose(text):
    """Nested values without the quotes that Spark's suite leaves out around dates, times and intervals, the API does not."""
    text = re.sub(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{3})?Z?", lambda m: m.group(1) + m.group(2) + ((m.group(3) or "").rstrip("0").rstrip(".")), text)
    return re.sub(r'[\s"\\]', "", text).replace("NaN", "nan") if text.startswith(("{", "[")) or "\t{" in text or "\t[" in text else text


def ties(sql):
    """Spark's suite sorts the output of a statement whose outermost query is not ordered; an ORDER BY inside a subquery or a window orders nothing."""
    depth, last = 0, -1
    for m in re.finditer(r"\(|\)|\border\s+by\b", sql, re.I):
        if m.group() == "(":
            depth += 1
        elif m.group() == ")":
            depth -= 1
        elif depth == 0:
            last = m.start()
    return last < 0


def other_zone(got, want):
    """The golden session is in Los Angeles, ours in UTC: the same instants, shifted by 7 or 8 hours."""
    from datetime import datetime

    def instant(text):
        for form in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"):
            try:
                return datetime.strptime(text, form)
            except ValueError:
                pass
        return None

    if len(got) != len(want):
        return False
    moved = False
    for a, b in zip(sorted(got), sorted(want)):
        if len(a) != len(b):
            return False
        for x, y in zip(a, b):
            if x == y:
                continue
            p, q = instant(x), instant(y)
            if p is None or q is None or abs((p - q).total_seconds()) not in (25200.0, 28800.0, 28378.0):
                return False
            moved = True
    return moved


def cause(detail):
    """What a refusal is about, without the statement's own text."""
    text = re.sub(r"(?s)LINE \d+:.*", "", detail)
    text = re.sub(r"`[^`]*`(\.`[^`]*`)*|'[^']*'|\"[^\"]*\"|\([^()]*\)", "…", text) if "function `" not in text and "routine `" not in text else re.sub(r" on search path.*", "", text)
    return " ".join(text.replace("SQLSTATE:", "").split())[:110].rstrip(" .0123456789A")


def report(results):
    """The Markdown page. It names statements by file and number: their text is Spark's."""
    files, kinds = collections.OrderedDict(), collections.Counter()
    for case, verdict, _ in results:
        files.setdefault(case.file, collections.Counter())[(case.kind, verdict)] += 1
        kinds[(case.kind, verdict)] += 1
    of = lambda counts, kind, *verdicts: sum(counts[(kind, v)] for v in verdicts)
    answers = sum(n for (kind, _), n in kinds.items() if kind == "result")
    errors = sum(n for (kind, _), n in kinds.items() if kind == "error")
    commands = sum(n for (kind, _), n in kinds.items() if kind == "command")
    right = of(kinds, "result", "right", "zone")
    out = ["# SQL compatibility: Spark's own golden files", "",
           "Generated by `tests/sql/golden/golden.py`; do not edit. Spark 4.2.0's golden files of `tests/sql/golden/files.txt`, statement by statement, through",
           "the Statement Execution API. `right`: the rows that Spark gives (or the same instants: the golden session is in Los Angeles, ours in UTC).",
           "`refused`: by name, or dependent on a statement that was. `failed`: an error where Spark answers. `wrong`: other rows, silently. Of statements",
           "that must fail: `same class`, `other class`, and `answered`, where we accept what Spark refuses.", "",
           f"**{right} of {answers} statements with a result are right ({100 * right / max(1, answers):.1f} %), {of(kinds, 'result', 'wrong')} are silently wrong; "
           f"{of(kinds, 'error', 'right_error')} of {errors} errors have Spark's class, {of(kinds, 'error', 'answered')} are not raised; "
           f"{of(kinds, 'command', 'right')} of {commands} commands are carried out.**", "",
           "| file | right | refused | failed | wrong | same class | other class | answered | commands |", "|---|---|---|---|---|---|---|---|---|"]
    for name, c in list(files.items()) + [("**all**", kinds)]:
        out.append(f"| {name} | {of(c, 'result', 'right', 'zone')} | {of(c, 'result', 'refused')} | {of(c, 'result', 'failed')} | {of(c, 'result', 'wrong')} | {of(c, 'error', 'right_error')} | "
                   f"{of(c, 'error', 'other_class')} | {of(c, 'error', 'answered', 'refused')} | {of(c, 'command', 'right')} of {sum(n for (k, _), n in c.items() if k == 'command')} |")
    for title, verdict in (("Silently wrong", "wrong"), ("Answered where Spark refuses", "answered"), ("Failed", "failed"), ("Refused by name", "refused"), ("Another error class", "other_class")):
        causes = collections.defaultdict(lambda: collections.defaultdict(list))
        for c, v, d in results:
            if v == verdict:
                what = d.split(":")[0] if verdict in ("answered", "other_class") else "other rows" if verdict == "wrong" else cause(d)
                causes[what][c.file].append(c.number)
        if not causes:
            continue
        out += ["", f"## {title}", "", "| cause | statements |", "|---|---|"]
        for what, where in sorted(causes.items(), key=lambda item: (-sum(len(n) for n in item[1].values()), item[0])):
            out.append(f"| {what.replace('|', chr(92) + '|').replace('<', '&lt;')} | {'; '.join(f'{f} {chr(44).join(map(str, n))}' for f, n in where.items())} |")
    return "\n".join(out) + "\n"


# The tables that Spark's suite makes before it runs any file, and how they are made here; {} is a folder with the suite's data.
WIDE = ", ".join(f"{n} int" for n in "unique1 unique2 two four ten twenty hundred thousand twothousand fivethous tenthous odd even".split()) + ", stringu1 string, stringu2 string, string4 string"
SUITE = {
    "testdata": "SELECT CAST(id AS INT) AS key, CAST(id AS STRING) AS value FROM range(1, 101)",
    "arraydata": "SELECT * FROM VALUES (array(1, 2, 3), array(array(1, 2, 3))), (array(2, 3, 4), array(array(2, 3, 4))) AS t(arraycol, nestedarraycol)",
    "mapdata": "SELECT * FROM VALUES (map(1, 'a1', 2, 'b1', 3, 'c1', 4, 'd1', 5, 'e1')), (map(1, 'a2', 2, 'b2', 3, 'c2', 4, 'd2')), (map(1, 'a3', 2, 'b3', 3, 'c3')), (map(1, 'a4', 2, 'b4')), (map(1, 'a5')) AS t(mapcol)",
    "aggtest": "SELECT * FROM read_files('{}/agg.data', format => 'csv', sep => '\t', schema => 'a int, b float')",
    "onek": f"SELECT * FROM read_files('{{}}/onek.data', format => 'csv', sep => '\t', schema => '{WIDE}')",
    "tenk1": f"SELECT * FROM read_files('{{}}/tenk.data', format => 'csv', sep => '\t', schema => '{WIDE}')",
}


def suite_tables(script):
    """Those of them that a file reads and does not make itself."""
    text = "\n".join(case.sql for case in script)
    return [name for name in SUITE if re.search(rf"\b{name}\b", text, re.I) and not re.search(rf"\b(?:CREATE|DROP)\b[^;\n]*\b(?:TABLE|VIEW)\s+(?:IF\s+(?:NOT\s+)?EXISTS\s+)?(?:\w+\.)*{name}\b", text, re.I)]


def run(jar, names, ask_in):
    """`ask_in(schema)` gives the `ask` of a file."""
    results = []
    for i, name in enumerate(names):
        runner = Runner(ask_in(f"golden_{i}"), settings_of(jar, name))
        script = list(cases(jar, [name]))
        for table in suite_tables(script):
            runner.ask(f"CREATE TABLE {table} AS " + SUITE[table].format(ask_in.data(jar)))
        for case in script:
            verdict, detail = runner.judge(case)
            results.append((case, verdict, detail))
    return results


def listed(path):
    return [line.split("\t")[-1].strip() for line in open(path) if line.strip() and not line.startswith("#")]


def main():
    import argparse
    import os
    import pathlib

    p = argparse.ArgumentParser()
    p.add_argument("jar"), p.add_argument("list"), p.add_argument("--report"), p.add_argument("--json"), p.add_argument("--only"), p.add_argument("--zone"), p.add_argument("--engine")
    a = p.parse_args()
    global ZONE
    ZONE = a.zone
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
    from harness import platform

    names = [a.only] if a.only else listed(a.list)
    with platform() as server:
        results = run(a.jar, names, asker(server, a.engine))
    if a.report:
        pathlib.Path(a.report).write_text(report(results))
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps([[c.file, c.number, c.kind, v, c.sql, d] for c, v, d in results], indent=0))
    print(collections.Counter(v for _, v, _ in results))


def asker(server, engine=None):
    """`engine`: of a warehouse of its own (sail); else the workspace's."""
    from harness import StatementFailed

    admin, warehouse = server.admin(), server.warehouses["landing"]
    if engine:
        warehouse = admin.workspace("landing", "POST", "/api/2.0/sql/warehouses", {"name": engine, "cluster_size": "2X-Small", "tags": {"custom_tags": [{"key": "tarn-engine", "value": engine}]}})["id"]
    base = server.status()["workspaces"]["landing"] + "/api/2.0/sql"
    last = None
    folders = []

    def data(jar):
        """A volume with the suite's data files."""
        if not folders:
            admin.sql("landing", warehouse, "CREATE SCHEMA landing_raw.golden_data")
            admin.sql("landing", warehouse, "CREATE VOLUME landing_raw.golden_data.files")
            folders.append("/Volumes/landing_raw/golden_data/files")
            with zipfile.ZipFile(jar) as z:
                for name in ("agg.data", "onek.data", "tenk.data"):
                    admin.call("PUT", f"{server.status()['workspaces']['landing']}/api/2.0/fs/files{folders[0]}/{name}", data=z.read("test-data/postgresql/" + name))
        return folders[0]

    def ask_in(schema):
        nonlocal last
        if last:  # its file is done with, and there is a limit of open sessions
            admin.call("DELETE", f"{base}/sessions/{last}?warehouse_id={warehouse}")
        admin.sql("landing", warehouse, f"CREATE SCHEMA landing_raw.{schema}")
        session = admin.call("POST", base + "/sessions", {"warehouse_id": warehouse, "catalog": "landing_raw", "schema": schema, "session_confs": {"timezone": ZONE} if ZONE else {}})["session_id"]
        last = session

        def ask(sql):
            # What a file calls its default schema is the one that it runs in.
            sql = re.sub(r"^\s*USE\s+(?:SCHEMA\s+|DATABASE\s+)?`?default`?\s*$", f"USE SCHEMA {schema}", sql, flags=re.I)
            answer = admin.call("POST", base + "/statements", {"statement": sql, "warehouse_id": warehouse, "wait_timeout": "50s", "session_id": session})
            if answer["status"]["state"] != "SUCCEEDED":
                raise StatementFailed(answer["status"])
            kinds = [c["type_text"] for c in answer["manifest"]["schema"].get("columns", [])]
            return answer.get("result", {}).get("data_array") or [], kinds

        return ask

    ask_in.data = data
    return ask_in


if __name__ == "__main__":
    main()
