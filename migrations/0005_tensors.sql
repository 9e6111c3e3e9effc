-- Columns of tensors: their shape and element, and the file beside the table that holds their values (server/data/tensor_file.h).

ALTER TABLE datasets ADD COLUMN tensor_file TEXT NOT NULL DEFAULT ''; -- '': no column of tensors
ALTER TABLE datasets ADD COLUMN record_bytes INTEGER NOT NULL DEFAULT 0; -- of one row's tensors in that file
ALTER TABLE datasets ADD COLUMN table_bytes INTEGER NOT NULL DEFAULT 0; -- of the table's file, which may be made of another
UPDATE datasets SET table_bytes = bytes;

ALTER TABLE dataset_columns ADD COLUMN rank INTEGER NOT NULL DEFAULT 0; -- 0: a column of the table
ALTER TABLE dataset_columns ADD COLUMN size_0 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset_columns ADD COLUMN size_1 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset_columns ADD COLUMN size_2 INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset_columns ADD COLUMN element INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset_columns ADD COLUMN says_part INTEGER NOT NULL DEFAULT 0; -- made at import: train, validation or test for each row
