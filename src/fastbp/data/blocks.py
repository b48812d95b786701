"""How many rows are looked at together where a whole array must not be copied."""

__all__ = ["BLOCK_ROWS"]

# Arrays may lie in files that are larger than memory, so they are worked on a block of rows at a time. 4096 rows are
# enough that the calls for a block cost nothing beside its numbers, and few enough that a block of some hundred
# columns stays in a cache. Statistics of columns are merged block by block: another size would change their last bits.
BLOCK_ROWS = 4096
