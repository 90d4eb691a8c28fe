"""Judge a flatbuffer's structure, and predict from it what runtimes will do."""
