"""Where a key for an archive is looked for."""

import pytest

from nwb_mtm.archive.keys import find_key


class FakeKeyring:
    """A keyring that holds one key."""

    def __init__(self, held: str | None) -> None:
        self.held = held
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, user: str) -> str | None:
        self.asked.append((service, user))
        return self.held


class EncryptedKeyring(FakeKeyring):
    """A keyring that would ask for a password of its own."""

    def get_password(self, service: str, user: str) -> str | None:
        raise AssertionError("it would have asked")


def use(keyring: FakeKeyring, monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    monkeypatch.setattr("keyring.get_keyring", lambda: keyring)
    monkeypatch.setattr("keyring.get_password", keyring.get_password)
    return keyring


def test_the_environment_comes_before_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    held = use(FakeKeyring("from-the-keyring"), monkeypatch)
    monkeypatch.setenv("DANDI_SANDBOX_API_KEY", "from-the-environment")
    assert find_key("dandi-sandbox") == "from-the-environment"
    assert held.asked == []


def test_the_keyring_is_asked_as_the_dandi_client_asks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    held = use(FakeKeyring("from-the-keyring"), monkeypatch)
    assert find_key("linc") == "from-the-keyring"
    assert held.asked == [("dandi-api-linc", "key")]


def test_a_keyring_that_would_ask_for_a_password_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    use(EncryptedKeyring("secret"), monkeypatch)
    assert find_key("dandi") is None


def test_a_keyring_that_fails_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring.errors import KeyringError

    class Broken(FakeKeyring):
        def get_password(self, service: str, user: str) -> str | None:
            raise KeyringError("no session bus")

    use(Broken(None), monkeypatch)
    assert find_key("dandi") is None
