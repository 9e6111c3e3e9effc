-- What the doctor says of a job: its findings as an array (jobs.diagnosis), and an event for each change of one.

ALTER TABLE jobs ADD COLUMN diagnosis TEXT;

-- A fifth kind of event: the table is made anew, because a CHECK can't be changed.
CREATE TABLE events_with_diagnosis (
  number INTEGER PRIMARY KEY,
  job INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 4),
  step INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  data TEXT NOT NULL,
  UNIQUE (job, seq)
) STRICT;
INSERT INTO events_with_diagnosis (number, job, seq, kind, step, epoch, at_ms, data)
  SELECT number, job, seq, kind, step, epoch, at_ms, data FROM events;
DROP TABLE events;
ALTER TABLE events_with_diagnosis RENAME TO events;
CREATE UNIQUE INDEX events_metrics_once ON events (job, step) WHERE kind = 0;
