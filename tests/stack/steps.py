"""The steps of the system test, in their order."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_api import Airflow
from people import Analyst, Caller, Prometheus
from product import Product, wait_until
from runs import TRAINING, Runs
from starting import watch_starts

from stack import Stack, StackError

HISTORY_DAYS, LATER_DAYS, LATEST_DAYS = 60, 68, 76
INTO_TRAINING_SECONDS = 8
STILL_SECONDS = 10
SHOWN = {
    "stream": "paywarden_stream_model_info",
    "archiver": "paywarden_archiver_rows_total",
    "alerts": "paywarden_alerts_taken_total",
    "console": "paywarden_console_requests_total",
    "api": "paywarden_api_decisions_total",
    "producer": "paywarden_producer_events_total",
}
"""A figure of each part, by the name that Prometheus has for the part."""


class Steps:
    """What is done to a platform; each step can be begun with on one that the earlier steps have left up."""

    def __init__(self, stack: Stack) -> None:
        self.began = time.monotonic()
        self.stack = stack
        self.airflow = Airflow(stack.port("AIRFLOW"), stack.variables["AIRFLOW_ADMIN_PASSWORD"])
        self.runs = Runs(stack, self.airflow, self.say)

    @property
    def product(self) -> Product:
        """Clients of their own for each look: a broker may have been restarted in between."""
        return Product(self.stack)

    def say(self, text: str) -> None:
        """A line with the time since the start."""
        print(f"[{time.monotonic() - self.began:6.0f} s]   {text}", flush=True)

    def all(self) -> list[tuple[str, Callable[[], None]]]:
        """What is done, and how it is called."""
        return [
            ("a start without secrets is refused, with the sentence that helps", self.refuse_without_secrets),
            ("build the images", self.build),
            ("start everything and wait until it is healthy", self.start),
            ("produce history and live payments", self.produce_history),
            ("train through Airflow, every task on a Celery worker", self.train_first),
            ("the version is in MLflow, its files are objects in the bucket, it is champion", self.find_version),
            ("the stream takes it up, and predictions carry it", self.serve),
            ("the API decides by the same model, and its decision acts", self.decide),
            ("alerts are cases in the console; a verdict comes back as a label", self.judge_case),
            ("Prometheus reads every part's figures and can judge every rule", self.watch),
            ("train again on later data; the gate's verdict is recorded", self.train_again),
            ("maintain and monitor through Airflow", self.run_the_others),
            (
                "kill the worker in the middle of a training; the retry leaves no half-registered model",
                self.kill_worker,
            ),
            ("restart every service in turn; nothing is lost", self.restart_each),
            ("every payment ended as exactly one thing", self.account),
        ]

    def refuse_without_secrets(self) -> None:
        """Compose says `run make stack-init`."""
        kept = dict(self.stack.variables)
        self.stack.set(REDIS_PASSWORD="")
        try:
            self.stack.compose("config", "--quiet")
        except StackError as error:
            expect("make stack-init" in str(error), f"the remedy is missing: {error}")
        else:
            raise StackError("it would start without REDIS_PASSWORD")
        self.stack.set(**kept)

    def build(self) -> None:
        """The product's image first: Airflow's is made from it."""
        for service in ("setup", "airflow-init"):
            self.stack.compose("build", "--quiet", service, seconds=3000)

    def start(self) -> None:
        """All services, with the seconds that each took."""
        self.stack.set(PRODUCER_HISTORY_DAYS=str(HISTORY_DAYS))
        with watch_starts() as seconds:
            self.stack.up(seconds=900)
        for service, container in sorted(self.stack.containers().items()):
            well = container["Health"] == "healthy" or (container["State"], container["ExitCode"]) == ("exited", 0)
            expect(well, f"{service} is {container['State']} {container['Health']} {container['ExitCode']}")
            self.say(f"{service}: {container['Health'] or 'done'} after {seconds.get(service, 0):.0f} s of its own")

    def produce_history(self) -> None:
        """The producer's own: days at once, then payments at a rate."""
        topic = self.product.settings.kafka.topics.transactions
        wait_until("history in the lake", 300, lambda: self.position() >= HISTORY_DAYS)
        before = self.product.sent(topic)
        wait_until("live payments", 60, lambda: self.product.sent(topic) > before)
        self.say(f"{before:,} payments, and more coming")

    def position(self) -> int:
        """The day that the producer has reached."""
        try:
            said = self.stack.run(
                "producer", "sh", "-c", "cat producer/position.json 2>/dev/null || echo '{\"day\": 0}'"
            )
        except StackError:
            return 0
        return int(said.split('"day":')[1].split(",")[0].strip(" }\n"))

    def train_first(self) -> None:
        """The first challenger; what its tasks said is in the bucket of logs."""
        tasks = self.runs.train()
        for name in tasks:  # a task has ended before its log is sent
            wait_until(f"the log of {name} in the bucket", 60, lambda name=name: bool(self.logs_of(name)))
        self.say(f"a log of each task in the bucket, such as {self.logs_of('train')[0]}")

    def logs_of(self, task: str) -> list[str]:
        """The logs in the bucket that are a task's."""
        return [key for key in self.product.objects("airflow-logs") if f"task_id={task}/" in key]

    def find_version(self) -> None:
        """Version 1, whole."""
        registry = self.product.registry
        champion = registry.find_champion()
        expect(champion is not None and champion.version == 1, f"the champion is {champion}")
        bundle = registry.get(1)
        expect(bundle.digest == champion.bundle_digest, "the bundle is another one than the registry names")
        found = [key for key in self.product.objects("mlflow") if champion.run_id in key or "bundle" in key]
        expect(len(found) > 3, f"the bucket holds only {found}")
        self.say(f"version 1, {len(found)} objects in the bucket, bundle {bundle.digest[:12]}")

    def serve(self) -> None:
        """Predictions of the champion."""
        version = str(self.product.registry.find_champion().version)
        seconds = wait_until(
            f"predictions of version {version}", 420, lambda: version in set(self.product.versions_served())
        )
        self.say(f"{len(self.product.versions_served()):,} predictions after {seconds:.0f} s")

    def decide(self) -> None:
        """A payment in time, by the champion; its decision is on the topic. A cold API may answer by its fallback."""
        caller, answers = Caller(self.stack), []
        seconds = wait_until("the API to have the champion", 240, caller.is_ready)

        def scored() -> bool:
            answers.append(caller.decide(payment()))
            return answers[-1]["source"] == "api"

        wait_until("an answer in time, with a score", 120, scored)
        answer, version = answers[-1], str(self.product.registry.find_champion().version)
        expect(answer["model_version"] == version, f"by version {answer['model_version']}, the champion is {version}")
        wait_until("its decision on the topic", 60, lambda: answer["decision_id"] in self.product.decided())
        self.say(f"{answer['decision']} with a score of {answer['score']}, ready after {seconds:.0f} s")

    def judge_case(self) -> None:
        """From the stream's alerts to a label of an analyst."""
        analyst = Analyst(self.stack)
        wait_until("an open case", 300, lambda: bool(analyst.cases()))
        case = analyst.cases()[0]
        before = time.time_ns() // 10**6
        page, payments = analyst.judge(case, "fraud")
        expect(bool(payments), f"the page of case {case} shows no payment")
        expect("card_0" not in page, "the page of a case holds a whole token")
        expect(case not in analyst.cases(), f"case {case} is still open")
        wait_until("labels of the verdict", 60, lambda: payments <= self.product.judged_since(before))
        self.say(f"case {case} is judged, {len(payments)} payment(s) are labelled")

    def watch(self) -> None:
        """A figure of each part has come; the rules are judged without an error."""
        prometheus = Prometheus(self.stack)
        expect(set(prometheus.targets()) == set(SHOWN), f"it asks {sorted(prometheus.targets())}")
        for job, name in SHOWN.items():
            try:
                wait_until(f"{name} of {job}", 120, lambda name=name, job=job: prometheus.series(name, job) > 0)
            except StackError as error:
                raise StackError(f"{error}; its target: {prometheus.targets()[job] or 'up'}") from error
        rules = prometheus.rules()
        wrong = {name: error for name, error in rules.items() if error}
        expect(bool(rules) and not wrong, f"rules that cannot be judged: {wrong or 'there are none'}")
        self.say(f"{len(SHOWN)} parts are read, {len(rules)} rules are judged")

    def add_days(self, until: int) -> None:
        """More history, sent at once."""
        self.stack.set(PRODUCER_HISTORY_DAYS=str(until))
        self.stack.up("producer", seconds=120)
        wait_until(f"day {until}", 300, lambda: self.position() >= until)

    def train_again(self) -> None:
        """A challenger with an opponent."""
        before = self.newest()
        self.add_days(LATER_DAYS)
        self.runs.train()
        newest = self.product.registry.list_versions()[0]
        expect(newest.version == before + 1, f"the newest version is {newest.version}")
        verdict = newest.tags.get("paywarden.gate")
        expect(verdict in ("promote", "refuse", "abstain"), f"the gate's verdict is {verdict}")
        champion = self.product.registry.find_champion().version
        self.say(f"version {newest.version}: the gate says {verdict}; champion is {champion}")

    def run_the_others(self) -> None:
        """The DAGs beside the nightly training."""
        self.runs.maintain()
        found = self.runs.monitor()
        self.say(f"of version {found['version']}: {found['verdict']} {found['reasons']}")

    def kill_worker(self) -> None:
        """As a machine that dies: SIGKILL in the middle, and a new start."""
        before = self.newest()
        self.add_days(LATEST_DAYS)
        run = self.airflow.trigger(TRAINING)
        self.airflow.wait_for_task(TRAINING, run, "train", "running")
        time.sleep(INTO_TRAINING_SECONDS)
        self.stack.compose("kill", "airflow-worker")
        self.say("the worker is killed")
        self.stack.up("airflow-worker", seconds=180)
        tasks = self.airflow.wait(TRAINING, run, self.say)
        expect(int(tasks["train"]["try_number"]) >= 2, "the training was not tried again")
        registry = self.product.registry
        versions = registry.list_versions()
        numbers = [version.version for version in versions]
        expect(numbers == list(range(before + 1, 0, -1)), f"after version {before} the versions are {numbers}")
        for version in versions:
            expect(registry.get(version.version).digest == version.bundle_digest, f"{version} is not whole")
        self.say(f"the training succeeded at try {tasks['train']['try_number']}; versions 1 to {before + 1} are whole")

    def newest(self) -> int:
        """The number of the newest version."""
        return self.product.registry.list_versions()[0].version

    def restart_each(self) -> None:
        """Every service, also those that hold data."""
        before = self.standing()
        services = [name for name, found in self.stack.containers().items() if found["State"] == "running"]
        for service in services:
            self.stack.compose("restart", service)
            self.say(f"{service}: healthy again after {self.stack.wait_healthy(service):.0f} s")
        for service in services:
            self.stack.wait_healthy(service)
        sent = self.product.sent("predictions")
        seconds = wait_until("predictions after the restarts", 300, lambda: self.product.sent("predictions") > sent)
        after = self.standing()
        for name, value in before.items():
            kept = after[name] >= value if isinstance(value, int) else after[name] == value
            expect(kept, f"{name} was {value} and is {after[name]}")
        self.say(f"predictions go on ({seconds:.0f} s); {', '.join(f'{n}: {v}' for n, v in after.items())}")

    def standing(self) -> dict[str, int | str]:
        """What must not be lost, by name; numbers may grow."""
        product = self.product
        versions = product.registry.list_versions()
        return {
            "payments in Kafka": product.sent("transactions"),
            "payments in the lake": product.rows("transactions"),
            "predictions": product.sent("predictions"),
            "objects of MLflow": len(product.objects("mlflow")),
            "versions": ", ".join(f"{v.version} {v.bundle_digest[:8]} {'/'.join(v.aliases)}" for v in versions),
            "records in Redis": int(self.stack.run("redis", "redis-cli", "dbsize").strip()),
            "runs of Airflow": int(self.airflow.get(f"/dags/{TRAINING}/dagRuns")["total_entries"]),
        }

    def account(self) -> None:
        """After the last payment, what the stream planned is what it answered."""
        self.stack.compose("stop", "producer")
        topics = self.product.settings.kafka.topics
        still = time.monotonic()
        seen = -1
        while time.monotonic() - still < STILL_SECONDS:
            count = self.product.sent(topics.predictions) + self.product.sent(topics.outcomes)
            if count != seen:
                seen, still = count, time.monotonic()
            time.sleep(2)
        found = self.product.account()
        expect(found.complete, f"the account does not balance: {found.to_dict()}")
        self.say(f"{found.inputs:,} inputs, {found.decisions:,} decisions, {found.labels:,} labels, none astray")


def payment() -> dict[str, object]:
    """A payment of this moment that nobody has sent before."""
    return {
        "transaction_id": f"stack-{time.time_ns()}",
        "occurred_at": time.time_ns() // 10**6,
        "amount": 1250,
        "currency": "EUR",
        "entities": {"card": "card-of-the-stack-test", "merchant": "m-1"},
    }


def expect(holds: bool, otherwise: str) -> None:
    """Raise StackError where something does not hold."""
    if not holds:
        raise StackError(otherwise)
