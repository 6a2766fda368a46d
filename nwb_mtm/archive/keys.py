"""Keys for archives: from the environment, then the keyring; never asked for, shown or kept."""

import os


def variable_for(instance: str) -> str:
    """The environment variable that holds an archive's key, as the dandi client names it.

    >>> variable_for("dandi-sandbox"), variable_for("127.0.0.1:8000")
    ('DANDI_SANDBOX_API_KEY', '127.0.0.1:8000_API_KEY')
    """
    return f"{instance.upper().replace('-', '_')}_API_KEY"


def find_key(instance: str) -> str | None:
    """The key for an archive, when there is one."""
    return os.environ.get(variable_for(instance)) or _from_keyring(f"dandi-api-{instance}")


def _from_keyring(service: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        # a keyring file with a password of its own would ask for it
        if type(keyring.get_keyring()).__name__ == "EncryptedKeyring":
            return None
        return keyring.get_password(service, "key")
    except (KeyringError, OSError, RuntimeError):
        return None
