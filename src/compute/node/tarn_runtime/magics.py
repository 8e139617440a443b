"""Magic commands of a cell: %sql, %sh, %pip, %fs, %run, %md, %python. Those of other languages are refused by name."""
import os
import re
import shlex
import signal
import subprocess
import sys

from tarn_runtime import door, notebooks, output

_OURS = re.compile(r"^%(sql|sh|pip|fs|run|md-sandbox|md|python|scala|r|skip)(?:\s|$)")
_space = {}


def install(space):
    global _space
    _space = space
    from IPython import get_ipython

    shell = get_ipython()
    shell.input_transformers_cleanup.insert(0, _transform)
    shell.set_custom_exc((_exit_type(),), _quiet)
    own = shell.showtraceback

    def once(*arguments, **options):
        """Cells run inside cells: what failed is drawn where it failed, not again on each way out."""
        failure = sys.exc_info()[1]
        if failure is not None and getattr(failure, "_tarn_shown", False):
            return None
        try:
            return own(*arguments, **options)
        finally:
            try:
                failure._tarn_shown = True
            except AttributeError:
                pass

    shell.showtraceback = once


def _exit_type():
    from tarn_runtime.dbutils import NotebookExit

    return NotebookExit


def _quiet(shell, kind, value, trace, tb_offset=None):
    print(f"Notebook exited: {value.value}")


def _transform(lines):
    text = "".join(lines)
    stripped = text.lstrip()
    if not _OURS.match(stripped):
        return lines
    return [f"__import__('tarn_runtime.magics', fromlist=['cell']).cell({stripped!r})\n"]


def cell(text):
    name = _OURS.match(text).group(1)
    rest = text[len(name) + 1:].strip("\n")
    if name in ("scala", "r"):
        raise door.Refused(f"Cells of language {name} are not available on this platform: use Python or SQL")
    if name in ("md", "md-sandbox"):
        return output._show({"text/markdown": rest, "text/plain": rest.strip()})
    if name == "skip":
        return None
    if name == "python":
        from IPython import get_ipython

        done = get_ipython().run_cell(rest, store_history=False)
        if done.error_in_exec or done.error_before_exec:
            raise done.error_in_exec or done.error_before_exec
        return None
    return {"sql": sql, "sh": shell, "pip": pip, "fs": fs, "run": run}[name](rest)


def statements(text):
    """At semicolons that are in no quotes and no comment."""
    out, at, begin, quote = [], 0, 0, None
    while at < len(text):
        c = text[at]
        if quote:
            if c == "\\" and quote != "`":
                at += 1
            elif c == quote:
                quote = None
        elif c in "'\"`":
            quote = c
        elif text.startswith("--", at):
            at = text.find("\n", at)
            if at < 0:
                break
        elif text.startswith("/*", at):
            at = text.find("*/", at) + 1
            if at == 0:
                break
        elif c == ";":
            out.append(text[begin:at])
            begin = at + 1
        at += 1
    out.append(text[begin:])
    return [one.strip() for one in out if re.sub(r"--[^\n]*|/\*.*?\*/", "", one, flags=re.S).strip()]


def sql(text):
    all = statements(text)
    if not all:
        raise ValueError("The SQL cell has no statement")
    frame = None
    for one in all:
        frame = _space["spark"].sql(one)
    _space["_sqldf"] = frame
    if frame is not None and frame.columns:
        output.display(frame)


def shell(text):
    fails = False
    if text.startswith((" -e", "-e")):
        fails, text = True, text.lstrip()[2:]
    code = _command(["/bin/bash", "-c", text.strip("\n")])
    if code != 0 and fails:
        raise RuntimeError(f"The shell command ended with exit code {code}")


def _command(arguments, environment=None):
    """Its output as it comes; ended with its whole group if the cell is interrupted."""
    child = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                             env=dict(os.environ, **(environment or {})))
    try:
        while block := child.stdout.read1(65536):
            sys.stdout.write(block.decode("utf-8", "replace"))
            sys.stdout.flush()
        return child.wait()
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def pip(text):
    """Into a folder of this context alone, first on its path."""
    words = shlex.split(text.replace("\n", " "))
    if not words or words[0] not in ("install", "list", "freeze", "show", "uninstall"):
        raise door.Refused(f"%pip {words[0] if words else ''} is not available on this platform: use %pip install, list, show or uninstall")
    target = os.environ["TARN_PIP_TARGET"]
    os.makedirs(target, exist_ok=True)
    if words[0] == "install":
        words = ["install", "--target", target, "--upgrade", "--no-warn-script-location", "--disable-pip-version-check", *[_fetched(w) for w in words[1:]]]
    elif words[0] == "uninstall":
        raise door.Refused("%pip uninstall is not available on this platform: what a context installs goes with it")
    code = _command([sys.executable, "-m", "pip", *words], {"PYTHONPATH": target + ":" + os.environ.get("PYTHONPATH", ""), "PIP_NO_INPUT": "1"})
    if code != 0:
        raise RuntimeError(f"%pip {words[0]} ended with exit code {code}")
    if target not in sys.path:
        sys.path.insert(0, target)
    import importlib

    importlib.invalidate_caches()


def _fetched(word):
    """A wheel or list of requirements of the workspace or a volume, as a file here."""
    if not word.startswith(("/Workspace/", "/Volumes/", "/Users/", "/Shared/", "dbfs:/")):
        return word
    import base64

    place = os.path.join(os.environ["TARN_PIP_TARGET"], ".fetched")
    os.makedirs(place, exist_ok=True)
    file = os.path.join(place, os.path.basename(word))
    if word.startswith(("/Volumes/", "dbfs:/")):
        content = _space["dbutils"].fs._read(word)
    else:
        path = word[len("/Workspace"):] if word.startswith("/Workspace/") else word
        content = base64.b64decode(door.call("GET", "/api/2.0/workspace/export", params={"path": path, "format": "AUTO"})["content"])
    with open(file, "wb") as f:
        f.write(content)
    return file


def fs(text):
    words = shlex.split(text)
    verbs = {"ls": 1, "head": 1, "rm": 1, "mkdirs": 1, "cp": 2, "mv": 2}
    recursive = "-r" in words[1:] or "--recurse" in words[1:]
    words = [w for w in words if w not in ("-r", "--recurse")]
    if not words or words[0] not in verbs:
        raise door.Refused(f"%fs {words[0] if words else ''} is not available on this platform: use " + ", ".join(verbs))
    if len(words) != verbs[words[0]] + 1:
        raise ValueError(f"%fs {words[0]} takes {verbs[words[0]]} path(s)")
    tools = _space["dbutils"].fs
    if words[0] == "ls":
        return output.table([("path", "string"), ("name", "string"), ("size", "bigint"), ("modificationTime", "bigint")], tools.ls(words[1]))
    if words[0] == "head":
        return print(tools.head(words[1]))
    more = (recursive,) if words[0] in ("rm", "cp", "mv") else ()
    return print(getattr(tools, words[0])(*words[1:], *more))


def run(text):
    """Another notebook's cells, here: what they define stays."""
    words = shlex.split(text)
    if not words:
        raise ValueError("%run takes the path of a notebook")
    for word in words[1:]:
        name, equals, value = word.removeprefix("$").partition("=")
        if not equals:
            raise ValueError(f"%run takes parameters as $name=value; got '{word}'")
        _space["dbutils"].widgets._given[name] = value
    path, source, language = notebooks.load(words[0])
    with notebooks.inside(path):
        notebooks.execute(source, language)
