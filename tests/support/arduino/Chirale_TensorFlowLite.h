// The library's own header includes nothing that a sketch uses.
