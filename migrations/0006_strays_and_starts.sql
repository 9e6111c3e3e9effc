-- Of a column that is numbers but for a few words: the first of them and its line. NULL for any other column.
ALTER TABLE dataset_columns ADD COLUMN first_word TEXT;
ALTER TABLE dataset_columns ADD COLUMN first_word_line INTEGER;

-- Of a job that starts with a model's weights: which layers take them and which are new, as an object.
ALTER TABLE jobs ADD COLUMN start TEXT;
