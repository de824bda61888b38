/* Included before everything (Makefile): all symbols are ours, so none needs the global offset table. */
#pragma GCC visibility push(hidden)
