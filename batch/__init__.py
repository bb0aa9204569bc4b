"""Rows by the million: shards with an index, which an interrupted job goes on with, and Parquet read as a stream.

A row is a draw or an event with its number, `id`. `shards.Shards` writes a folder, `files.write` one file, and
`reading.Rows` reads Parquet.
"""
