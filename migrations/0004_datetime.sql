-- Columns of dates: a further kind, and how the dates are written (server/data/datetime.h; 0: no dates). The table is made anew, because a
-- CHECK can't be changed, and so that kinds to come need no more than a number. So is the one that refers to it: dropping what is referred to
-- would delete from it.

CREATE TABLE columns_with_dates (
  dataset INTEGER NOT NULL REFERENCES datasets (number) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  name TEXT NOT NULL,
  kind INTEGER NOT NULL CHECK (kind >= 0),
  can_be_numeric INTEGER NOT NULL,
  is_integral INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  min REAL, -- NULL is not-a-number
  max REAL,
  mean REAL,
  std REAL,
  has_categories INTEGER NOT NULL,
  datetime_form INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (dataset, position)
) STRICT, WITHOUT ROWID;
INSERT INTO columns_with_dates
  (dataset, position, name, kind, can_be_numeric, is_integral, missing, min, max, mean, std, has_categories)
  SELECT dataset, position, name, kind, can_be_numeric, is_integral, missing, min, max, mean, std, has_categories FROM dataset_columns;

CREATE TABLE categories_of_columns (
  dataset INTEGER NOT NULL,
  column_position INTEGER NOT NULL,
  position INTEGER NOT NULL,
  value TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (dataset, column_position, position),
  FOREIGN KEY (dataset, column_position) REFERENCES columns_with_dates (dataset, position) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO categories_of_columns (dataset, column_position, position, value, count)
  SELECT dataset, column_position, position, value, count FROM dataset_categories;

DROP TABLE dataset_categories;
DROP TABLE dataset_columns;
ALTER TABLE columns_with_dates RENAME TO dataset_columns;
ALTER TABLE categories_of_columns RENAME TO dataset_categories;
