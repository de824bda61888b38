/*
 * What the personality promises a program, one sentence and one function each. `tests` alone lists the sentences,
 * `tests N` boots a fresh kernel and runs the Nth: 0 when it holds, else the line that did not.
 */
#include "test.h"

char *scratch;

static const struct test *const groups[] = {file_tests, stream_tests, memory_tests, process_tests, boot_tests,
                                            block_tests, net_tests, tty_tests, virtqueue_tests};

/* The test of this number; -1 lists them all. */
static const struct test *find(int number) {
  int index = 0;
  for (size_t group = 0; group < sizeof groups / sizeof groups[0]; group++)
    for (const struct test *test = groups[group]; test->sentence; test++, index++) {
      if (number < 0) puts(test->sentence);
      if (index == number) return test;
    }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    find(-1);
    return 0;
  }
  const struct test *test = find(atoi(argv[1]));
  if (!test) return 2;
  enum departure departure = fixture_boot(32 * MIB, test->tree ? test->tree : fixture_tree);
  CHECK(departure == ENTERED || test->tree);
  if (departure == ENTERED) CHECK((scratch = map(64 * KIB)));
  test->run();
  return 0;
}
