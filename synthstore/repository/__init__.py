"""Backup storage: content-addressed objects in append-only packs, and a small file a snapshot.

A reader can be written from this page. All integers are little-endian; ids are sha256 digests.

A repository is a folder (or a prefix of an object store)::

    config               JSON: format (1), id, made, envelope (null; room for encryption)
    packs/<sha256>       the data; the name is the sha256 of the whole file
    snapshots/<time>-<first 16 hex digits of the file's sha256>
    damage/<sha256>      JSON, what a check found to be lost: blobs by pack, files
    lock                 shared to read or add, exclusive to take away; a line for people in it

Every file is written aside, synced and renamed, and never changed after that. A snapshot is written
after the packs that it needs, so whatever is killed leaves only data that no snapshot names.

**Pack.** A header of 16 bytes (``SYNPACK`` and a 1; version 1; envelope 0; six random bytes),
blocks, an index, a trailer. The trailer is the last 49 bytes: size of the stored index (u64),
version (u8), sha256 of the stored index, the first 8 bytes of the header again. The index is a zstd
frame of: number of blocks and of blobs (u32 each); for each block its offset (u64), stored size
(u32), plain size (u32), coding (u8), sha256 of the stored bytes; for each blob its id, block (u32),
offset in the plain block (u32), size (u32), kind (u8), size of what it stands for (u64).

**Block.** A zstd frame. Its coding says what the frame holds: 0, the blobs one after the other; 1,
the same with the first bytes of all 4-byte numbers, then all second bytes, and so on; 2, the same
with 8-byte numbers; 3, as 0, of snapshots' lists of files alone. Lists are in packs of their own,
so that what is lost with another pack can be named.

**Blob.** Of kind 0: the bytes themselves, and its id is their sha256. Of kind 1: a recipe, and its
id is the sha256 of the file that the recipe makes.

**Recipe.** Number of parts and of styles (u32 each); the styles; for each part the bytes of the
skeleton before it since the part before (u32); for each part its style (u16); for each part the id
of its piece; the skeleton to the end. The file is the skeleton with the parts in it. A style is
number (u8), spelling (u8), three lengths (u8 each), and three texts of these lengths: what stands
before the numbers, between them, and after.

**Numbers.** 0 and 4: the piece's own bytes. 1: float32, each widened to a double. 2: float32, each
as the double that the shortest decimal of the single reads as. 3: doubles. A double is written with
the fewest digits that read back as it; if several have as few, the nearest. Spelling 0: without an
exponent from 1e-5 to below 1e16, with ``.0`` where there is no fraction; else as ``1.5e-6`` and
``1e+16``. Spelling 1: without an exponent from 1e-4 to below 1e16; else as ``1.5e-06`` and
``1e+16``. Every file is rebuilt from its numbers before it is stored; text that does not come out
to the byte stays in the skeleton.

**Snapshot.** JSON: format (1), name of the store, time, layout, tree (the id of an object), counts,
tags (``damaged`` where the source had errors, ``partial`` where some of it could not be read or
kept changing), findings by code, version of the program. The tree is lines of JSON, sorted by path:
``["d", path, mode, mtime_ns]`` for a folder, ``["f", path, size, mtime_ns, mode, inode, sha256,
state, id]`` for a file, whose object has that sha256. Bytes of a name that are no UTF-8 are lone
surrogates, escaped.
"""
