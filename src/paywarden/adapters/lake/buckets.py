"""Buckets of an S3 object store, made where they are missing.

Guarantee: a bucket that exists is left as it is; a retry does nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from pyarrow.fs import FileType, S3FileSystem

from paywarden.errors import LakeError


def ensure_buckets(names: Iterable[str], storage_options: Mapping[str, str]) -> tuple[str, ...]:
    """Make the buckets that are missing; the names of those made.

    ``storage_options`` are the lake's (``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``, …); without keys, those of the
    machine's own role. Raises LakeError where the store does not answer or refuses.
    """
    store = _file_system(storage_options)
    where = storage_options.get("AWS_ENDPOINT_URL", "S3")
    made = []
    try:
        for name in names:
            if store.get_file_info(name).type == FileType.NotFound:
                store.create_dir(name)
                made.append(name)
    except OSError as error:
        raise LakeError(
            f"bucket {name} cannot be made at {where}: {error}; make it by hand, or correct the address and keys"
        ) from error
    return tuple(made)


def _file_system(options: Mapping[str, str]) -> S3FileSystem:
    endpoint = urlsplit(options.get("AWS_ENDPOINT_URL", ""))
    return S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        session_token=options.get("AWS_SESSION_TOKEN"),
        region=options.get("AWS_REGION", "us-east-1"),
        scheme=endpoint.scheme or "https",
        endpoint_override=endpoint.netloc or None,
        allow_bucket_creation=True,
        connect_timeout=5,
        request_timeout=20,
    )
