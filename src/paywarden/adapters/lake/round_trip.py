"""A round trip through the lake's storage: an object is put, read back and deleted beside the tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from paywarden.errors import LakeError

_CONTENT: Final = b"paywarden: a round trip of `paywarden check --stack`; may be deleted\n"
_SECONDS: Final = 5.0


def round_trip(root: str, options: Mapping[str, str], name: str) -> str:
    """What was tried, once an object ``name`` at the lake's root on S3 has been put, read back and deleted.

    Raises LakeError with the remedy: a bucket that is missing, keys that are refused, a store that does not answer.
    Stores other than S3 are not tried.
    """
    place = urlsplit(root)
    if place.scheme not in ("s3", "s3a"):
        return f"{root}: no round trip is tried through {place.scheme}://"
    # Beside the lake's prefix: Arrow leaves a marker where it has deleted the last object of a directory.
    path = f"{place.netloc}{place.path.rstrip('/')}{name}"
    try:
        store = _s3(options)
        with store.open_output_stream(path) as file:
            file.write(_CONTENT)
        with store.open_input_stream(path) as file:
            found = file.read()
        store.delete_file(path)
    except (OSError, pa.ArrowException) as error:
        raise LakeError(f"{root} cannot be written: {_said(error)} {_remedy(str(error))}") from error
    if found != _CONTENT:
        raise LakeError(f"{root} gave back another object than was put. Look at what stands between it and here.")
    return f"{root}: put, read and deleted an object"


def _s3(options: Mapping[str, str]) -> fs.FileSystem:
    """The store of these options, which are deltalake's; the environment gives what they leave out, as there."""
    given = {name.lower(): value for name, value in options.items()}
    endpoint = urlsplit(given.get("aws_endpoint_url", ""))
    chosen = {
        "access_key": given.get("aws_access_key_id"),
        "secret_key": given.get("aws_secret_access_key"),
        "session_token": given.get("aws_session_token"),
        "region": given.get("aws_region"),
        "endpoint_override": endpoint.netloc or None,
        "scheme": endpoint.scheme or None,
    }
    found = {name: value for name, value in chosen.items() if value}
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=1)
    return fs.S3FileSystem(**found, connect_timeout=_SECONDS, request_timeout=_SECONDS, retry_strategy=retries)


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300].rstrip(".") + "."


def _remedy(said: str) -> str:
    lowered = said.lower()
    if "no_such_bucket" in lowered or "bucket does not exist" in lowered or "nosuchbucket" in lowered:
        return "Make the bucket, or correct lake.path."
    if "denied" in lowered or "invalid_access_key" in lowered or "signature" in lowered or "forbidden" in lowered:
        return "The store refuses the keys: correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (lake.storage_options)."
    return "Is the store up, and AWS_ENDPOINT_URL in lake.storage_options right?"
