"""display(): tables, pictures and pages as results that the driver keeps."""
import json

MOST_ROWS = 10_000
MOST_BYTES = 4 << 20


LIMIT = (5 << 20) + (64 << 10)  # of a command's text: what the driver keeps, and a little, so that it knows that there was more
_heard = {"command": None, "characters": 0, "dropped": 0}


def bounded(stream):
    """Text beyond the limit ends here: what a kernel prints waits in its memory until the driver takes it, and a gigabyte would end the kernel."""
    own = stream.write

    def write(self, text):
        command = (self.parent_header or {}).get("msg_id")
        if command != _heard["command"]:
            _heard.update(command=command, characters=0, dropped=0)
        room = LIMIT - _heard["characters"]
        _heard["characters"] += len(text)
        if room >= len(text):
            return own(self, text)
        _heard["dropped"] += len(text) - max(0, room)
        if room > 0:
            own(self, text[:room])
        return len(text)

    stream.write = write


def tell_dropped():
    if _heard["dropped"]:
        dropped, _heard["dropped"] = _heard["dropped"], 0
        _show({"application/vnd.tarn.dropped+json": dropped, "text/plain": ""})


def _show(bundle):
    from IPython.display import display as shown

    shown(bundle, raw=True)


def _plain(value):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else str(value)
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return _plain(value.item())
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray":
        return [_plain(v) for v in value]
    return None if type(value).__name__ in ("NaTType", "NAType") else str(value)


def table(columns, rows, total=None):
    """columns: (name, type); rows: an iterable. Cut at 10,000 rows and 4 MB."""
    kept, size, cut = [], 0, False
    for row in rows:
        one = [_plain(v) for v in row]
        size += len(json.dumps(one))
        if len(kept) >= MOST_ROWS or size > MOST_BYTES:
            cut = True
            break
        kept.append(one)
    cut = cut or (total is not None and total > len(kept))
    head = " | ".join(name for name, _ in columns)
    text = "\n".join([head, *(" | ".join("NULL" if v is None else str(v) for v in row) for row in kept[:20])])
    schema = [{"name": name, "type": json.dumps(kind), "metadata": "{}"} for name, kind in columns]
    _show({"application/vnd.tarn.table+json": {"schema": schema, "data": kept, "truncated": cut, "isJsonSchema": True}, "text/plain": text})


_KINDS = {"int64": "bigint", "int32": "int", "int16": "smallint", "int8": "tinyint", "float64": "double", "float32": "float", "bool": "boolean", "object": "string"}


def arrow_table(found):
    """A pyarrow table."""
    head = found.slice(0, MOST_ROWS)
    columns = [c.to_pylist() for c in head.columns]
    names = {"int64": "bigint", "int32": "int", "int16": "smallint", "int8": "tinyint", "bool": "boolean", "utf8": "string", "large_utf8": "string", "float": "float"}
    table([(f.name, names.get(str(f.type), str(f.type))) for f in found.schema], zip(*columns), found.num_rows)


def display(*things, **options):
    for thing in things:
        module = type(thing).__module__
        if module.startswith("pyspark.") and hasattr(thing, "toArrow"):
            arrow_table(thing.limit(MOST_ROWS + 1).toArrow())
        elif module.startswith("pandas.") and hasattr(thing, "itertuples"):
            frame = thing if thing.ndim == 2 else thing.to_frame()
            columns = [(str(n), _KINDS.get(str(t), "timestamp" if str(t).startswith("datetime64") else str(t))) for n, t in zip(frame.columns, frame.dtypes)]
            table(columns, frame.head(MOST_ROWS + 1).itertuples(index=False), len(frame))
        elif module.startswith("pyarrow.") and hasattr(thing, "schema"):
            arrow_table(thing)
        elif isinstance(thing, list) and thing and all(isinstance(one, dict) for one in thing):
            names = list(dict.fromkeys(k for one in thing for k in one))
            table([(str(n), "string") for n in names], ([one.get(n) for n in names] for one in thing))
        elif isinstance(thing, list) and thing and all(hasattr(one, "_asdict") for one in thing):
            table([(n, "string") for n in thing[0]._fields], thing)
        else:
            from IPython.display import display as shown

            shown(thing, **options)


def display_html(page):
    _show({"text/html": str(page)})
