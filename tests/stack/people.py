"""Those who meet the platform over HTTP: who asks for decisions, an analyst in the console, and Prometheus."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import yaml

from stack import ROOT, Stack, StackError

SCRAPES = Path(ROOT) / "deploy/compose/prometheus/prometheus.yml"
_ASKED = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"


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

    def judge(self, case: int, verdict: str) -> str:
        """Give a verdict on all that the case's page shows; the page's text."""
        text = self._page(f"/cases/{case}")
        csrf = re.search(r'name="csrf" value="([^"]+)"', text)
        if csrf is None:
            raise StackError(f"the page of case {case} has no form:\n{text[:500]}")
        form = {"csrf": csrf[1], "seen": re.findall(r'name="seen" value="([^"]+)"', text), "verdict": verdict}
        answer = self._client.post(f"/cases/{case}/verdict", data=form)
        if answer.status_code != 303:
            raise StackError(f"the verdict was answered with {answer.status_code}:\n{answer.text[:500]}")
        return text

    def _page(self, path: str) -> str:
        answer = self._client.get(path)
        if answer.status_code != 200:
            raise StackError(f"{path} was answered with {answer.status_code}")
        return answer.text


def scrape(stack: Stack) -> dict[str, str]:
    """Job → its figures, asked from inside the platform's network at the targets that Prometheus is told."""
    jobs = yaml.safe_load(SCRAPES.read_text())["scrape_configs"]
    targets = {job["job_name"]: target for job in jobs for one in job["static_configs"] for target in one["targets"]}
    return {
        job: stack.run("console", "python", "-c", _ASKED, f"http://{target}/metrics") for job, target in targets.items()
    }
