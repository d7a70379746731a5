"""Certificates and keys in PEM files, looked at before a client does: its own words come late and name no setting."""

from __future__ import annotations

from pathlib import Path

from paywarden.errors import ConfigurationError

_PKCS8 = ("-----BEGIN PRIVATE KEY-----", "-----BEGIN ENCRYPTED PRIVATE KEY-----")


def certificate_text(setting: str, path: str) -> str:
    """The certificates that the file of a setting holds. Raises :class:`ConfigurationError`."""
    text = _read(setting, path)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise ConfigurationError(
            f"{setting} is {path}, which holds no certificate in PEM (-----BEGIN CERTIFICATE-----). Convert it: "
            "`openssl x509 -inform der -in FILE -out FILE.pem`, for a Java keystore `keytool -exportcert -rfc`."
        )
    return text


def key_text(setting: str, path: str, *, has_password: bool) -> str:
    """The private key that the file of a setting holds, in PKCS#8, which Java asks for.

    Raises :class:`ConfigurationError` for any other form, and for an encrypted key without its password.
    """
    text = _read(setting, path)
    if not any(begin in text for begin in _PKCS8):
        raise ConfigurationError(
            f"{setting} is {path}, which holds no private key in PKCS#8 (-----BEGIN PRIVATE KEY-----). Convert it: "
            f"`openssl pkcs8 -topk8 -nocrypt -in FILE -out FILE.pk8`."
        )
    if _PKCS8[1] in text and not has_password:
        raise ConfigurationError(f"{setting} is {path}, an encrypted key: it also needs kafka.ssl_key_password.")
    return text


def _read(setting: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"{setting} is {path}, which cannot be read: {error.strerror}.") from error
