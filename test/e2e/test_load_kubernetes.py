#!/usr/bin/env python3
# ctest: peers 300 once
"""The manifest for several machines, against Kubernetes' own schemas and against the program: what
is applied must be a Job, and the config in it must be one that load takes."""
import json
import os
import re
import subprocess
import tempfile
import unittest

import installed
import mock

PACKAGE = "kubernetes-validate"  # it carries the schemas of each version
VERSIONS = ("1.29", "1.31", "1.33")
MANIFEST = os.path.join(mock.SOURCE, "docs/kubernetes/load-job.yaml")


class Manifest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.venv = installed.python(PACKAGE, PACKAGE, seconds=180)
        ran = subprocess.run(
            [cls.venv.python, "-c", "import json, sys, yaml; "
             "json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)", MANIFEST],
            capture_output=True, text=True, check=True, timeout=60)
        cls.config, cls.job = json.loads(ran.stdout)

    def validate(self, path, version):
        return subprocess.run(
            [self.venv.program(PACKAGE), "--strict", "--kubernetes-version", version, path],
            capture_output=True, text=True, check=False, timeout=60)

    def test_it_fits_the_schemas(self):
        for version in VERSIONS:
            ran = self.validate(MANIFEST, version)
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_the_schemas_see_what_is_wrong(self):
        with open(MANIFEST, encoding="utf-8") as file:
            text = file.read()
        for right, wrong in (("completions: 4", "completions: four"),
                             ("completionMode: Indexed", "completionModus: Indexed")):
            self.assertIn(right, text)
            with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
                file.write(text.replace(right, wrong))
                file.flush()
                self.assertNotEqual(self.validate(file.name, VERSIONS[-1]).returncode, 0, wrong)

    def test_its_numbers_agree(self):
        spec = self.job["spec"]
        container = spec["template"]["spec"]["containers"][0]
        shards = {entry["name"]: entry.get("value") for entry in container["env"]}["LEAT_SHARDS"]
        self.assertEqual((spec["completions"], spec["parallelism"], spec["completionMode"]),
                         (int(shards), int(shards), "Indexed"))

    def test_load_takes_its_config_and_its_arguments(self):
        container = self.job["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual((container["command"], container["args"][0]), (["leat"], "load"))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "load.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.config["data"]["load.json"])
            arguments = [re.sub("^--config=.*", f"--config={path}", text)
                         for text in container["args"]]
            ran = mock.leat(*arguments, "--print-config", JOB_COMPLETION_INDEX="2",
                            LEAT_SHARDS="4")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertEqual(json.loads(ran.stdout)["shard"], "2/4")


if __name__ == "__main__":
    mock.main()
