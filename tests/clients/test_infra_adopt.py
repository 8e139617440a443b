"""The other way round: what `tarn apply` made, infra/ adopts, and finds nothing to change."""
import re
import subprocess
import sys

from harness import ROOT, platform
from terragrunt import Infra


def test_what_tarn_applied_terraform_adopts_and_finds_nothing_to_change(tmp_path):
    with platform() as server, Infra(server, tmp_path, state="local") as infra:
        adopt = str(tmp_path / "adopt")
        done = subprocess.run(infra.command(sys.executable, str(ROOT / "infra/scripts/adopt.py"), str(tmp_path / "platform"), adopt), env=infra.env,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        known = int(re.match(r"(\d+) objects to adopt", done.stdout)[1])
        output = infra.apply(ADOPT_DIR=adopt)
        results = re.findall(r"Resources: (?:(\d+) imported, )?(\d+) added, (\d+) changed, (\d+) destroyed", output)
        imported, added, changed, destroyed = (sum(int(r[i] or 0) for r in results) for i in range(4))
        # Added: the two markers of the metastore's module, which are no objects of the platform.
        assert (imported, added, changed, destroyed) == (known, 2, 0, 0), output[-4000:]
        assert infra.changes(ADOPT_DIR=adopt) == {}
        assert infra.tarn("plan") == (0, [])
