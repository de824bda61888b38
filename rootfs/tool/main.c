/* The tools as one static program, for containers: its first argument is the tool. */
#include "tool.h"

int main(int argc, char **argv)
{
	return tool_main(argc - 1, argv + 1);
}
