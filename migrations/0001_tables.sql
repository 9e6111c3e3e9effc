-- All tables. server/store/*.h says what the columns mean; one header per table.
--
-- `number` is the order of creation and never used again; `id` is what clients see. States and kinds are the numbers of the enums in
-- jobs.h and datasets.h. Times are Unix milliseconds; 0 is "not yet".

CREATE TABLE networks (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  spec TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE datasets (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  file TEXT NOT NULL UNIQUE,
  sha256 TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  delimiter INTEGER NOT NULL,
  has_header INTEGER NOT NULL,
  bad_row_count INTEGER NOT NULL,
  index_stride INTEGER NOT NULL,
  row_index BLOB NOT NULL, -- little-endian 64-bit offsets
  created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE dataset_columns (
  dataset INTEGER NOT NULL REFERENCES datasets (number) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
  can_be_numeric INTEGER NOT NULL,
  is_integral INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  min REAL, -- NULL is not-a-number
  max REAL,
  mean REAL,
  std REAL,
  has_categories INTEGER NOT NULL,
  PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset_categories (
  dataset INTEGER NOT NULL,
  column_position INTEGER NOT NULL,
  position INTEGER NOT NULL,
  value TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (dataset, column_position, position),
  FOREIGN KEY (dataset, column_position) REFERENCES dataset_columns (dataset, position) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE dataset_bad_rows (
  dataset INTEGER NOT NULL REFERENCES datasets (number) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  line INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  byte_count INTEGER NOT NULL
) STRICT;

CREATE TABLE blob_pieces (
  number INTEGER PRIMARY KEY,
  blob INTEGER NOT NULL REFERENCES blobs (number),
  piece INTEGER NOT NULL, -- 0, 1, …; all but the last are STORE_PIECE_BYTES long
  bytes BLOB NOT NULL,
  UNIQUE (blob, piece)
) STRICT;

CREATE TABLE jobs (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 7),
  stop_reason TEXT NOT NULL DEFAULT '',
  priority INTEGER NOT NULL,
  spec TEXT NOT NULL,
  network TEXT NOT NULL,
  dataset_id TEXT NOT NULL,
  test_dataset_id TEXT NOT NULL,
  memory_bytes INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  epochs INTEGER NOT NULL,
  step INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  training_ms INTEGER NOT NULL,
  latest TEXT,
  best TEXT,
  test TEXT,
  error TEXT,
  kernels TEXT NOT NULL DEFAULT '',
  weights_sha256 TEXT NOT NULL DEFAULT '',
  model_id TEXT NOT NULL DEFAULT '',
  checkpoint_blob INTEGER UNIQUE REFERENCES blobs (number),
  position BLOB,
  last_event INTEGER NOT NULL DEFAULT 0,
  last_metrics_step INTEGER NOT NULL DEFAULT 0,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER NOT NULL DEFAULT 0,
  finished_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX jobs_queue ON jobs (priority DESC, number) WHERE state = 0;
CREATE INDEX jobs_state ON jobs (state);

-- No foreign key: the events of a deleted job go in portions after it.
CREATE TABLE events (
  number INTEGER PRIMARY KEY,
  job INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 3),
  step INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  at_ms INTEGER NOT NULL,
  data TEXT NOT NULL,
  UNIQUE (job, seq)
) STRICT;
CREATE UNIQUE INDEX events_metrics_once ON events (job, step) WHERE kind = 0;

CREATE TABLE models (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  job_id TEXT NOT NULL,
  network TEXT NOT NULL,
  preprocessing TEXT NOT NULL,
  job_spec TEXT NOT NULL,
  metrics TEXT NOT NULL,
  weights_blob INTEGER NOT NULL UNIQUE REFERENCES blobs (number),
  parameter_count INTEGER NOT NULL,
  buffer_count INTEGER NOT NULL,
  weights_sha256 TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE idempotency (
  key TEXT PRIMARY KEY,
  body_sha256 TEXT NOT NULL,
  status INTEGER NOT NULL,
  location TEXT,
  body TEXT NOT NULL,
  created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_age ON idempotency (created_ms);

-- What committed transactions left to be cleared away after them: large blobs, many events, files. Empty when all is done.
CREATE TABLE leftovers (
  number INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2), -- 0 a blob, 1 the events of a job, 2 a file in datasets/
  target INTEGER NOT NULL, -- the blob's or job's number
  file TEXT NOT NULL DEFAULT ''
) STRICT;
