-- Columns of lists of numbers: of how many the shortest and the longest are; 0: no lists (server/data/sequence.h).
ALTER TABLE dataset_columns ADD COLUMN list_shortest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset_columns ADD COLUMN list_longest INTEGER NOT NULL DEFAULT 0;
