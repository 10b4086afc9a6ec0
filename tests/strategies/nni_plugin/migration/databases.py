"""Databases as NNI 3.0 writes them: its tables, filled by hand where no short experiment gives what a test needs."""

import json
import sqlite3
from contextlib import closing

TABLES = """
create table TrialJobEvent (timestamp integer, trialJobId text, event text, data text, logPath text, sequenceId integer,
    message text);
create table MetricData (timestamp integer, trialJobId text, parameterId text, type text, sequence integer, data text);
create table ExperimentProfile (params text, id text, execDuration integer, startTime integer, endTime integer,
    logDir text, nextSequenceId integer, revision integer);
"""

SPACE = {"x": {"_type": "uniform", "_value": [0, 10]}}


class Database:
    """An experiment's folder, to which events and metrics are added as NNI's manager does."""

    def __init__(self, folder, **profile):
        self.file = folder / "db/nni.sqlite"
        self.file.parent.mkdir(parents=True)
        self.folder = folder
        self.time = 1_700_000_000_000
        self._run(TABLES)
        profile = {"experimentName": "by hand", "searchSpace": SPACE, "tuner": {"name": "Random"}, **profile}
        self._insert("ExperimentProfile", json.dumps({"searchSpace": {"old": 1}}), "byhand", 0, 0, None, "", 0, 1)
        self._insert("ExperimentProfile", json.dumps(profile), "byhand", 0, 0, None, "", 0, 2)

    def event(self, trial, event, number=None, sample=None, place=None):
        """An event, a second after what was before it; the first of a trial bears its sample and its place."""
        data = (
            None if number is None else {"parameter_id": number, "parameters": sample, "parameter_source": "algorithm"}
        )
        self.time += 1000
        self._insert(
            "TrialJobEvent", self.time, trial, event, None if data is None else json.dumps(data), None, place, None
        )

    def metric(self, trial, number, value, step=None):
        """A metric that a trial reports, of its learning curve where a step is given."""
        self.time += 1000
        kind, data = ("FINAL" if step is None else "PERIODICAL"), json.dumps(json.dumps(value))
        self._insert("MetricData", self.time, trial, str(number), kind, step or 0, data)

    def trial(self, trial, place, status="SUCCEEDED", curve=(), final=None, x=None):
        """A whole trial, which ran the sample that is noted with it."""
        self.event(trial, "WAITING", place, {"x": float(place) if x is None else x}, place)
        self.event(trial, "RUNNING")
        for step, value in enumerate(curve):
            self.metric(trial, place, value, step)
        if final is not None:
            self.metric(trial, place, final)
        if status is not None:
            self.event(trial, status)

    def _insert(self, table, *values):
        self._run(f"insert into {table} values ({', '.join('?' * len(values))})", values)

    def _run(self, text, values=()):
        with closing(sqlite3.connect(self.file)) as database, database:
            database.execute("pragma synchronous = off")  # a test's file need not outlive the machine
            database.execute(text, values) if values else database.executescript(text)
