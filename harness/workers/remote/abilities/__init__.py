"""Do one thing with any runtime whose package is driven by a class `Model`.

`Model(*api, content, request)` loads a flatbuffer: api are the package's objects that its adapter
names (fixtures/runtimes), content the file's bytes. Of the request it may read `resolver`,
`threads`, `shapes` of the inputs (in the file's order, where they differ from its own; `strict`:
only sizes that the file leaves open), `arena_bytes`, `outputs`, how many there are, and
`preserve`: keep every tensor for `read`. It has

- `reset()`, `set(inputs)`, `invoke()`, `get()`: the package's way back to the initial state, and
  arrays of the inputs and outputs in the file's order;
- `read(indices)` and, where the package can, `write(indices, values)`: tensors by their index;
- `resize(shapes, strict)` and `allocate()`, where the package can;
- `direct()`: reset and invoke as native calls, and the memory of the inputs and outputs, for
  streams of sequences; `print_allocations()`: what an arena's allocator recorded, on stderr.

A module here gives `operations(model)`: by name, what a worker of such a class can do.
"""
