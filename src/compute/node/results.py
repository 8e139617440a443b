"""What a command left behind, in the shapes of the vendor's Results: text, tables, pictures, errors, a notebook's cells. Bounded; secrets are blanked."""
import json

from logs import LOGS

LIMIT = 5 << 20  # of a command's text output, in bytes as it travels
CELL_LIMIT = 6 << 20  # of a notebook's views kept with a run


def travel(text):
    """Bytes of a text as it travels: a control character takes six."""
    return len(json.dumps(text))


def cut(text, room):
    if len(text) * 12 <= room or travel(text) <= room:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if travel(text[:middle]) <= room else (low, middle - 1)
    return text[:low]


class Output:
    """What a command left behind, as the vendor's Results. Secrets that its code was given are blanked, also where one arrives in two pieces."""

    def __init__(self, secrets=()):
        self.parts, self.size, self.dropped, self.lost, self.length = [], 0, 0, 0, 0
        self.images, self.table, self.error, self.exit = [], None, None, None
        self.cells, self.cell_size = [], 0
        self.secrets, self.held, self.stream = secrets, "", None

    def blank(self, value):
        for secret in self.secrets:
            value = value.replace(secret, "[REDACTED]")
        return value

    def blank_all(self, value):
        if isinstance(value, str):
            return self.blank(value)
        if isinstance(value, list):
            return [self.blank_all(v) for v in value]
        return {k: self.blank_all(v) for k, v in value.items()} if isinstance(value, dict) else value

    def streamed(self, name, value):
        """Printed, as against shown: also what the node's logs hold."""
        self.stream = name
        self.text(value)
        if not self.held:
            self.stream = None

    def text(self, value, last=False):
        if self.secrets:
            value = self.blank(self.held + value)
            # The longest end that could be the beginning of a secret waits for what follows.
            wait = 0 if last else max((n for s in self.secrets for n in range(min(len(s) - 1, len(value)), 0, -1) if value.endswith(s[:n])), default=0)
            self.held, value = value[len(value) - wait:], value[:len(value) - wait]
        if self.stream:
            LOGS.write(self.stream, value)
        room = LIMIT - self.size
        kept = cut(value, room) if room > 0 else ""
        self.dropped += len(value) - len(kept)
        if kept:
            self.parts.append(kept)
            self.size += travel(kept)
            self.length += len(kept)
            self.in_cell({"text": kept})

    def in_cell(self, item):
        if not self.cells:
            return
        items = self.cells[-1]["outputs"]
        size = sum(len(v) for v in item.values() if isinstance(v, str)) if "table" not in item else travel(item["table"])
        if self.cell_size + size > CELL_LIMIT:
            self.cells[-1]["truncated"] = True
            return
        self.cell_size += size
        if "text" in item and items and "text" in items[-1]:
            items[-1]["text"] += item["text"]
        else:
            items.append(item)

    def data(self, bundle):
        if "application/vnd.tarn.result+json" in bundle:
            self.exit = bundle["application/vnd.tarn.result+json"]  # a job's task: what it handed on
            return
        if "application/vnd.tarn.dropped+json" in bundle:
            self.lost += bundle["application/vnd.tarn.dropped+json"]  # in the kernel already
            return
        if "application/vnd.tarn.cell+json" in bundle:
            self.text("", last=True)
            if len(self.cells) < 1000:
                self.cells.append({**bundle["application/vnd.tarn.cell+json"], "outputs": []})
            return
        if self.secrets:
            bundle = self.blank_all(bundle)
        table = bundle.get("application/vnd.tarn.table+json")
        if table is not None:
            self.table = table
            self.in_cell({"table": table})
        elif "image/png" in bundle and len(self.images) < 20 and self.size < LIMIT:
            image = "data:image/png;base64," + bundle["image/png"].strip().replace("\n", "")
            self.size += len(image)
            self.images.append(image)
            self.in_cell({"image": image})
        elif "text/html" in bundle and "text/plain" not in bundle:
            self.text(bundle["text/html"])
        else:
            self.text(bundle.get("text/plain", "") + "\n")

    def fail(self, name, value, trace):
        self.text("", last=True)
        self.stream = None
        LOGS.write("stderr", self.blank(trace) + "\n")
        if self.error is None:
            self.error = (self.blank(f"{name}: {value}")[:20_000], self.blank(trace))
            self.in_cell({"error": self.error[1][:100_000]})

    def results(self):
        self.text("", last=True)
        out = self.shown()
        if self.exit is not None:
            out["task"] = self.blank_all(self.exit)
        if self.cells:
            out["cells"] = self.cells
        if out["resultType"] != "text":
            out["printed"] = "".join(self.parts)
        return out

    def shown(self):
        text = "".join(self.parts)
        if self.error is not None:
            return {"resultType": "error", "summary": self.error[0], "cause": cut((text + "\n" if text else "") + self.error[1], LIMIT)}
        if self.table is not None:
            return {"resultType": "table", **self.table, "truncated": False}
        if self.images and not text:
            if len(self.images) == 1:
                return {"resultType": "image", "fileName": self.images[0]}
            return {"resultType": "images", "fileNames": self.images}
        out = {"resultType": "text", "data": text.rstrip("\n") if text.endswith("\n") and text.count("\n") == 1 else text}
        if self.dropped or self.lost:
            out["truncated"] = True
            out["data"] += f"\n*** WARNING: {self.dropped + self.lost} characters of output were dropped ***"
        return out
