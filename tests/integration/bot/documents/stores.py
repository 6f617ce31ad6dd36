"""The stores of the tests: S3 by moto's server, Blob by Azurite, on loopback and on ports of their own."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from adlfs import AzureBlobFileSystem
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from tests.support import ROOT
from tests.support.node import NODE

AZURITE = ROOT / "tests/azurite/node_modules/azurite/dist/src/blob/main.js"
# The published account and key of every emulator of Azure's storage.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def s3(environment: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running S3 with the bucket `docs`, reached as the environment says; gives its file system."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        environment.setenv(name, value)
    S3FileSystem.clear_instance_cache()
    files = S3FileSystem()
    if not files.exists("docs"):  # what the server holds outlives it in this process
        files.mkdir("docs")
    try:
        yield files
    finally:
        S3FileSystem.clear_instance_cache()
        server.stop()


@contextmanager
def blob(environment: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running Blob storage with the container `docs`; gives its file system."""
    if not AZURITE.is_file():
        pytest.skip("Azurite is not set up; `make azurite` does that")
    how = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--silent"]
    with subprocess.Popen(
        [NODE, AZURITE, *how, "--skipApiVersionCheck", "--disableTelemetry"],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            url = next(
                found[0] for line in server.stdout if (found := re.search(r"http://\S+:[1-9]\d*", line))
            )
            environment.setenv(
                "AZURE_STORAGE_CONNECTION_STRING",
                f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={url}/{ACCOUNT};",
            )
            AzureBlobFileSystem.clear_instance_cache()
            files = AzureBlobFileSystem()
            files.mkdir("docs")
            yield files
        finally:
            AzureBlobFileSystem.clear_instance_cache()
            server.kill()  # it would wait for connections that stay open
