"""Those who meet the platform over HTTP: who asks for decisions, an analyst in the console, and Prometheus."""

from __future__ import annotations

import re
from typing import Any

import httpx

from stack import Stack, StackError


class Caller:
    """Who asks the API for decisions, with a key of its own."""

    def __init__(self, stack: Stack) -> None:
        key = stack.run("serve", "paywarden", "keys", "create", "stack-test").split()[-1]
        self._client = httpx.Client(
            base_url=f"http://127.0.0.1:{stack.port('API')}", headers={"Authorization": f"Bearer {key}"}, timeout=60
        )

    def is_ready(self) -> bool:
        """Whether it can score."""
        return self._client.get("/readyz").status_code == 200

    def decide(self, transaction: dict[str, Any]) -> dict[str, Any]:
        """The answer. Raises StackError for another status than 200."""
        answer = self._client.post("/v1/score", json=transaction)
        if answer.status_code != 200:
            raise StackError(f"POST /v1/score: {answer.status_code} {answer.text[:500]}")
        return dict(answer.json())


class Analyst:
    """The console's admin, logged in with the password that was generated."""

    def __init__(self, stack: Stack) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{stack.port('CONSOLE')}", timeout=60)
        form = {"name": "admin", "password": stack.variables["CONSOLE_ADMIN_PASSWORD"]}
        answer = self._client.post("/login", data=form)
        if answer.status_code != 303:
            raise StackError(f"the login was answered with {answer.status_code}")

    def cases(self) -> list[int]:
        """The open cases on the queue's first page, the costliest first."""
        return [int(number) for number in re.findall(r'data-case="(\d+)"', self._page("/queue"))]

    def judge(self, case: int, verdict: str) -> tuple[str, set[str]]:
        """Give a verdict on all that the case's page shows; the page's text, and the payments on it."""
        text = self._page(f"/cases/{case}")
        csrf = re.search(r'name="csrf" value="([^"]+)"', text)
        if csrf is None:
            raise StackError(f"the page of case {case} has no form:\n{text[:500]}")
        form = {"csrf": csrf[1], "seen": re.findall(r'name="seen" value="([^"]+)"', text), "verdict": verdict}
        answer = self._client.post(f"/cases/{case}/verdict", data=form)
        if answer.status_code != 303:
            raise StackError(f"the verdict was answered with {answer.status_code}:\n{answer.text[:500]}")
        return text, set(re.findall(r'<th scope="row"><code>([^<]+)</code>', text))

    def _page(self, path: str) -> str:
        answer = self._client.get(path)
        if answer.status_code != 200:
            raise StackError(f"{path} was answered with {answer.status_code}")
        return answer.text


class Prometheus:
    """Who looks after the platform, by what Prometheus has read and thinks of it."""

    def __init__(self, stack: Stack) -> None:
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{stack.port('PROMETHEUS')}/api/v1", timeout=60)

    def targets(self) -> dict[str, str]:
        """Job → empty where its figures are read, else what is wrong."""
        found = self._asked("/targets", state="active")["activeTargets"]
        return {
            target["labels"]["job"]: "" if target["health"] == "up" else f"{target['health']} {target['lastError']}"
            for target in found
        }

    def series(self, name: str, job: str) -> int:
        """How many series a job has by this name."""
        return len(self._asked("/query", query=f'{name}{{job="{job}"}}')["result"])

    def rules(self) -> dict[str, str]:
        """Rule → empty where it can be judged, else why not."""
        groups = self._asked("/rules")["groups"]
        return {rule["name"]: rule.get("lastError", "") for group in groups for rule in group["rules"]}

    def _asked(self, path: str, **parameters: str) -> dict[str, Any]:
        answer = self._client.get(path, params=parameters)
        if answer.status_code != 200:
            raise StackError(f"{path} was answered with {answer.status_code}:\n{answer.text[:500]}")
        return dict(answer.json()["data"])
