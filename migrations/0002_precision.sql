-- What a job was really computed in: "float32" or "bfloat16", set when it starts; NULL before.
ALTER TABLE jobs ADD COLUMN precision TEXT;
