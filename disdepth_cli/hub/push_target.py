"""A repository on the Hub that is to get a student: checked before any work, filled in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disdepth_cli.errors import ConfigError, DisdepthError, HubError, first_line, one_line
from disdepth_cli.hub.fetch import http_status, is_hub_id

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"

Content = Mapping[str, "bytes | Path"]
"""What is sent: a file's name in the repository -> its bytes, or the file that holds them."""


@dataclass(frozen=True)
class HubTarget:
    """Where a student goes. private counts for a repository that is made now; branch None is the main one."""

    repo_id: str
    option: str
    branch: str | None = None
    private: bool = False

    def check_form(self) -> None:
        """Refuse what can be no repository.

        Raises:
            ConfigError: the id is not OWNER/NAME as the Hub allows it.
        """
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id

        try:
            validate_repo_id(self.repo_id)
        except HFValidationError as error:
            raise ConfigError(f"{self.option} {self.repo_id}: {first_line(error)}") from None
        if not is_hub_id(self.repo_id):
            raise ConfigError(f"{self.option} {self.repo_id}: is not OWNER/NAME; name your account before the /")

    def check(self, offline: bool) -> None:
        """Make sure, with one request, that a push will be allowed as far as that can be known before it.

        Raises:
            ConfigError: the id is impossible, or contradicts --offline.
            HubError: there is no token, it is not accepted or may only read, or the Hub is not reachable.
        """
        import huggingface_hub

        self.check_form()
        if offline or huggingface_hub.constants.HF_HUB_OFFLINE:
            raise ConfigError(
                f"{self.option} {self.repo_id}: needs the network, and --offline (HF_HUB_OFFLINE) forbids it; leave "
                "one of them out"
            )
        if huggingface_hub.get_token() is None:
            raise HubError(f"{self.option} {self.repo_id}: no token for the Hub; {LOG_IN}")
        try:
            account = huggingface_hub.HfApi().whoami()
        except Exception as error:  # the network libraries below raise errors of their own
            raise self._refusal(error) from error
        self._check_rights(account)

    def _check_rights(self, account: dict[str, Any]) -> None:
        role = ((account.get("auth") or {}).get("accessToken") or {}).get("role")
        if role == "read":
            raise HubError(
                f"{self.option} {self.repo_id}: your token may only read; make one that may write and {LOG_IN}"
            )
        owner = self.repo_id.split("/")[0]
        allowed = [str(account.get("name")), *(str(org.get("name")) for org in account.get("orgs") or ())]
        if role == "write" and owner.lower() not in {name.lower() for name in allowed}:  # other roles may not list all
            raise HubError(
                f"{self.option} {self.repo_id}: your account may not write to {owner}; it may to {', '.join(allowed)}"
            )

    def send(self, content: Content, message: str) -> dict[str, str]:
        """Make the repository and the branch if need be and commit all files at once, or none.

        Returns {"url", "commit"}: the repository's page, and the commit's hash.

        Raises:
            HubError: the Hub refuses or cannot be reached; one line that says why.
        """
        from huggingface_hub import CommitOperationAdd, HfApi

        operations = [
            CommitOperationAdd(name, str(source) if isinstance(source, Path) else source)
            for name, source in content.items()
        ]
        api = HfApi(library_name="disdepth")
        try:
            url = api.create_repo(self.repo_id, private=self.private or None, exist_ok=True)
            if self.branch is not None:
                api.create_branch(self.repo_id, branch=self.branch, exist_ok=True)
            commit = api.create_commit(self.repo_id, operations, commit_message=message, revision=self.branch)
        except Exception as error:  # the network libraries below raise errors of their own
            raise self._refusal(error) from error
        return {"url": str(url), "commit": commit.oid}

    def _refusal(self, error: Exception) -> DisdepthError:
        """Why the Hub did not do it, and what to do."""
        from huggingface_hub import constants, errors

        causes = _causes(error)
        status = next((http_status(cause) for cause in causes if http_status(cause) is not None), None)
        detail = first_line(causes[-1])
        owner = self.repo_id.split("/")[0]
        reasons = {
            400: f"the Hub refuses what was sent ({one_line(error)})",
            401: f"your token is not accepted; {LOG_IN}",
            403: f"your token may not write to {owner}; give it write access there, or push to an account of yours",
            404: "the Hub knows no such repository or branch, or your token may not see it",
            409: "the repository was changed at the same moment (409); try again",
            429: "the Hub takes no more requests for now (429); wait some minutes and try again",
        }
        if status in reasons:
            reason = reasons[status]
        elif status is not None and status >= 500:
            reason = f"the Hub has a problem of its own ({status}); try again later"
        elif isinstance(error, errors.LocalTokenNotFoundError):
            reason = f"no token for the Hub; {LOG_IN}"
        elif any(map(_is_of_the_network, causes)):
            reason = f"the Hub at {constants.ENDPOINT} is not reachable ({detail}); try again later"
        else:
            reason = f"{detail}; try again"
        return HubError(f"{self.option} {self.repo_id}: {reason}")


def _causes(error: Exception) -> list[Exception]:
    """The error and what it was raised from, in this order: uploads and transports wrap theirs."""
    chain = [error]
    while isinstance(chain[-1].__cause__, Exception):
        chain.append(chain[-1].__cause__)
    return chain


def _is_of_the_network(error: Exception) -> bool:
    """Whether a connection failed; the HTTP libraries below huggingface_hub change, their class names do not."""
    return isinstance(error, OSError) or "TransportError" in {base.__name__ for base in type(error).__mro__}
